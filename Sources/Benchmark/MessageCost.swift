// The line through the times of messages.

/// The time of a message as a function of its size: alpha + beta × bytes (Hockney 1994).
public struct MessageCost: Codable, Equatable, Sendable {
  /// One measured message.
  public struct Point: Codable, Equatable, Sendable {
    /// What each rank sent.
    public let bytes: Int
    /// How long it took.
    public let seconds: Double

    /// A size and its time, both positive.
    public init(bytes: Int, seconds: Double) {
      self.bytes = bytes
      self.seconds = seconds
    }
  }

  /// The time of an empty message, seconds.
  public let alpha: Double
  /// The time that each byte adds, seconds.
  public let beta: Double
  /// The root mean square of the relative errors of the fit.
  public let relativeError: Double

  /// Fits the smallest sum of squared relative errors with alpha and beta not below 0.
  ///
  /// Relative errors, since the times of small and large messages lie decades apart.
  ///
  /// - Parameter points: Messages of positive times; nil comes of fewer than two sizes.
  public init?(fitting points: [Point]) {
    guard Set(points.map(\.bytes)).count > 1 else { return nil }
    // Minimise Σ (alpha u + beta v − 1)² with u = 1/t and v = bytes/t.
    var (uu, uv, vv, u1, v1) = (0.0, 0.0, 0.0, 0.0, 0.0)
    for point in points {
      let (u, v) = (1 / point.seconds, Double(point.bytes) / point.seconds)
      uu += u * u
      uv += u * v
      vv += v * v
      u1 += u
      v1 += v
    }
    let determinant = uu * vv - uv * uv
    var alpha = (u1 * vv - v1 * uv) / determinant
    var beta = (v1 * uu - u1 * uv) / determinant
    if alpha < 0 { (alpha, beta) = (0, v1 / vv) }
    if beta < 0 { (alpha, beta) = (u1 / uu, 0) }
    let squares = points.map { point in
      let error = (alpha + beta * Double(point.bytes)) / point.seconds - 1
      return error * error
    }
    self.alpha = alpha
    self.beta = beta
    relativeError = (squares.reduce(0, +) / Double(points.count)).squareRoot()
  }
}
