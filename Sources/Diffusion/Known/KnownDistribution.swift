// What is asked of a distribution of images of which everything is known.

/// A distribution of small square grey images whose likelihood and best denoiser have closed forms.
///
/// Scalars lie on the scale of the network, −1 … 1, row by row, in Double; nats are of a whole
/// image, of a density where scalars are continuous and of a probability where they are grey
/// levels. So the values of `logProbability` are what a bound on the likelihood approaches.
public protocol KnownDistribution: Sendable {
  /// The name in files and on the command line.
  static var name: String { get }
  /// The rows and the columns of an image; it has side² scalars.
  var side: Int { get }
  /// The number of grey levels, the first at −1 and the last at 1, or nil for continuous scalars.
  var levels: Int? { get }
  /// The names of the classes 0, 1, … that images are drawn from, or nil where there are none.
  var classNames: [String]? { get }
  /// What the distribution is made of, by the names that files use.
  var parameters: [(name: String, values: [Double])] { get }
  /// −E log p(x_0) in nats, or nil where it has no closed form.
  var entropy: Double? { get }

  /// log p(x_0) in nats: −∞ where there is no such image.
  ///
  /// - Parameter x0: The side² scalars of an image.
  func logProbability(of x0: [Double]) -> Double

  /// The best denoiser: E[x_0 | x_t] for x_t = signal · x_0 + noise · ε, ε ~ N(0, I).
  ///
  /// No other function of x_t has a smaller expected squared error, whatever the weight of the
  /// steps, so this is what a network that predicts x_0 approaches. It obeys
  /// E[x_0 | x_t] = (x_t + noise² ∇ log p(x_t)) / signal (Efron 2011, eq. 2.8).
  ///
  /// - Parameters:
  ///   - xt: The side² scalars of x_t.
  ///   - signal: √ᾱ_t > 0.
  ///   - noise: √(1−ᾱ_t) > 0.
  func denoised(_ xt: [Double], signal: Double, noise: Double) -> [Double]

  /// How many independent standard normals, and numbers uniform in (0, 1), one image takes.
  var randomNumbers: (normals: Int, uniforms: Int) { get }

  /// An image made of as many random numbers as `randomNumbers` says, and its class.
  func image(normals: [Double], uniforms: [Double]) -> (x0: [Double], label: Int?)
}

extension KnownDistribution {
  /// The scalars of an image: d = side².
  public var dimensions: Int { side * side }
}
