// Black and white by the toss of a coin.

import Foundation

/// Images of black and white squares, each the toss of one coin that shows white with probability p.
///
/// An image is cut into squares of `block` × `block` pixels; all pixels of a square are white, 1, or
/// black, −1. With one square an image is one coin: its entropy is
/// h(p) = −p log p − (1−p) log(1−p) nats, however many pixels repeat it.
public struct CoinImages: KnownDistribution {
  /// The name in files and on the command line.
  public static let name = "coin"
  /// The rows and the columns of an image.
  public let side: Int
  /// The rows and columns of a square; a divisor of `side`.
  public let block: Int
  /// The probability p of white, in (0, 1).
  public let probability: Double

  /// The distribution of images of side × side pixels.
  public init(side: Int, block: Int, probability: Double) {
    precondition(side > 0 && block > 0 && side % block == 0, "Squares of pixels fill the image.")
    precondition(probability > 0 && probability < 1, "A coin has two sides.")
    self.side = side
    self.block = block
    self.probability = probability
  }

  /// Two: black and white.
  public var levels: Int? { 2 }
  /// Black and white, where an image is one coin.
  public var classNames: [String]? { coins == 1 ? ["black", "white"] : nil }
  /// p and the rows of a square.
  public var parameters: [(name: String, values: [Double])] {
    [("probability", [probability]), ("block", [Double(block)])]
  }

  /// The number of squares.
  private var coins: Int { (side / block) * (side / block) }

  /// The square that a pixel belongs to.
  private func coin(_ pixel: Int) -> Int {
    pixel / side / block * (side / block) + pixel % side / block
  }

  /// h(p) for each square.
  public var entropy: Double? {
    let (white, black) = (probability, 1 - probability)
    return -Double(coins) * (white * log(white) + black * log1p(-white))
  }

  /// The logarithms of the tosses; −∞ where a square is not black or white as a whole.
  public func logProbability(of x0: [Double]) -> Double {
    precondition(x0.count == dimensions, "An image has all its pixels.")
    var sides = [Double](repeating: 0, count: coins)
    for (pixel, value) in x0.enumerated() {
      let coin = coin(pixel)
      if sides[coin] == 0 { sides[coin] = value }
      guard abs(value) == 1, value == sides[coin] else { return -.infinity }
    }
    return sides.reduce(0) { $0 + ($1 > 0 ? log(probability) : log1p(-probability)) }
  }

  /// tanh(½ log P(white | x_t)/P(black | x_t)) on each square, where the log odds are
  /// log(p/(1−p)) + 2√ᾱ Σ x_t/(1−ᾱ) over its pixels: one coin is seen in all of them.
  public func denoised(_ xt: [Double], signal: Double, noise: Double) -> [Double] {
    precondition(xt.count == dimensions, "An image has all its pixels.")
    precondition(signal > 0 && noise > 0, "x_t holds an image and noise.")
    var logOdds = [Double](repeating: log(probability) - log1p(-probability), count: coins)
    for (pixel, value) in xt.enumerated() {
      logOdds[coin(pixel)] += 2 * signal * value / (noise * noise)
    }
    return xt.indices.map { tanh(logOdds[coin($0)] / 2) }
  }

  /// A uniform number for each square.
  public var randomNumbers: (normals: Int, uniforms: Int) { (0, coins) }

  /// An image of these tosses: white below p.
  public func image(normals: [Double], uniforms: [Double]) -> (x0: [Double], label: Int?) {
    precondition(normals.isEmpty && uniforms.count == coins, "Each square is one toss.")
    let isWhite = uniforms.map { $0 < probability }
    let label = coins == 1 ? (isWhite[0] ? 1 : 0) : nil
    return ((0..<dimensions).map { isWhite[coin($0)] ? 1 : -1 }, label)
  }
}
