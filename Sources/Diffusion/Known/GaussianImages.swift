// Images of normal pixels, alone or like their neighbours.

import Foundation

/// Images whose pixels are normal: x_0 ~ N(m, s² R⊗R), R_ij = ρ^|i−j|.
///
/// The correlation of two pixels is ρ to the number of steps between them along rows and columns.
/// Both axes are autoregressions of order 1, whose innovations are independent: y_0 = x_0,
/// y_i = (x_i − ρ x_{i−1})/√(1−ρ²). So det R = (1−ρ²)^(n−1) for n rows, and
/// log det(s² R⊗R) = n² log s² + 2n(n−1) log(1−ρ²). At ρ = 0 the pixels are independent.
public struct GaussianImages: KnownDistribution {
  /// The name in files and on the command line.
  public static let name = "gaussian"
  /// The rows and the columns of an image.
  public let side: Int
  /// The mean m of every pixel.
  public let mean: Double
  /// The standard deviation s > 0 of every pixel.
  public let deviation: Double
  /// The correlation ρ of neighbouring pixels, in (−1, 1).
  public let correlation: Double

  /// The eigenvalues of R, and its eigenvectors as columns.
  private let eigen: SymmetricEigen

  /// The distribution of images of side × side pixels.
  public init(side: Int, mean: Double, deviation: Double, correlation: Double = 0) {
    precondition(side > 0, "An image has pixels.")
    precondition(mean.isFinite && deviation > 0 && deviation.isFinite, "A normal has its moments.")
    precondition(abs(correlation) < 1, "A correlation lies between −1 and 1.")
    self.side = side
    self.mean = mean
    self.deviation = deviation
    self.correlation = correlation
    let entries = (0..<side * side).map { index in
      (0..<abs(index / side - index % side)).reduce(1.0) { power, _ in power * correlation }
    }
    eigen = SymmetricEigen(entries, order: side)
  }

  /// Continuous scalars.
  public var levels: Int? { nil }
  /// No classes.
  public var classNames: [String]? { nil }
  /// m, s and ρ.
  public var parameters: [(name: String, values: [Double])] {
    [("mean", [mean]), ("deviation", [deviation]), ("correlation", [correlation])]
  }

  /// ½ log det(R⊗R) = n(n−1) log(1−ρ²).
  private var halfLogDeterminant: Double {
    Double(side * (side - 1)) * log1p(-correlation * correlation)
  }

  /// ½ d log(2πe s²) + n(n−1) log(1−ρ²).
  public var entropy: Double? {
    let d = Double(dimensions)
    return 0.5 * d * (1 + log(2 * Double.pi * deviation * deviation)) + halfLogDeterminant
  }

  /// log p(x_0), by the innovations.
  public func logProbability(of x0: [Double]) -> Double {
    precondition(x0.count == dimensions, "An image has all its pixels.")
    var y = x0.map { $0 - mean }
    let root = (1 - correlation * correlation).squareRoot()
    // Backward along each line: x_{i−1} is still there when y_i is made.
    for (start, stride) in lines {
      for i in (1..<side).reversed() {
        let place = start + i * stride
        y[place] = (y[place] - correlation * y[place - stride]) / root
      }
    }
    return -halfLogDeterminant
      - negativeLogNormal(
        squaredDistance: y.reduce(0) { $0 + $1 * $1 }, variance: deviation * deviation,
        dimensions: dimensions)
  }

  /// m + √ᾱ Σ (ᾱ Σ + (1−ᾱ) I)⁻¹ (x_t − √ᾱ m), in the basis in which Σ = s² R⊗R is diagonal.
  public func denoised(_ xt: [Double], signal: Double, noise: Double) -> [Double] {
    precondition(xt.count == dimensions, "An image has all its pixels.")
    precondition(signal > 0 && noise > 0, "x_t holds an image and noise.")
    var y = eigen.coordinates(xt.map { $0 - signal * mean })
    for (index, value) in y.enumerated() {
      let row = eigen.values[index / side]
      let variance = deviation * deviation * row * eigen.values[index % side]
      y[index] = value * signal * variance / (signal * signal * variance + noise * noise)
    }
    return eigen.point(y).map { mean + $0 }
  }

  /// A normal for each pixel.
  public var randomNumbers: (normals: Int, uniforms: Int) { (dimensions, 0) }

  /// An image with these innovations.
  public func image(normals: [Double], uniforms: [Double]) -> (x0: [Double], label: Int?) {
    precondition(normals.count == dimensions && uniforms.isEmpty, "Every pixel is one normal.")
    var x = normals
    let root = (1 - correlation * correlation).squareRoot()
    for (start, stride) in lines {
      for i in 1..<side {
        let place = start + i * stride
        x[place] = correlation * x[place - stride] + root * x[place]
      }
    }
    return (x.map { mean + deviation * $0 }, nil)
  }

  /// Where the rows, and then the columns, begin, and how far apart their pixels are.
  private var lines: [(start: Int, stride: Int)] {
    side == 1 ? [] : (0..<side).map { ($0 * side, 1) } + (0..<side).map { ($0, side) }
  }
}
