// What the loss has been at each part of a noise schedule, from which its interior follows.

import Diffusion

/// The mean square of ‖ε − ε̂‖²/d in each 64th part of the way from γ_0 to γ_1, over the images that were
/// there last.
///
/// It is a function of the sums over whole batches, so that all ranks have the same bits.
struct GammaLosses: Equatable, Sendable {
  /// The number of parts.
  static let count = 64
  /// How many images a mean is over, about: the newest count, older ones fade.
  private static let window = 128.0
  /// The images that a part must have seen before the means are used.
  private static let fewest = 10.0

  /// The mean of each part.
  private(set) var squares: [Double]
  /// The number of images that each part has ever seen.
  private(set) var visits: [Double]
  /// How γ is to rise; evenly before each part has seen enough.
  private(set) var interior = GammaInterior.linear

  /// Nothing.
  init() {
    squares = Array(repeating: 0, count: Self.count)
    visits = squares
  }

  /// What a checkpoint has kept; a number of visits that cannot be counts as none.
  init(squares: [Double], visits: [Double]) {
    precondition(
      squares.count == Self.count && visits.count == Self.count, "Each part has its numbers.")
    self.squares = squares
    self.visits = visits.map { (0...0x1p53).contains($0) ? $0.rounded(.down) : 0 }
    update()
  }

  /// The part that a share of the way, 0 to 1, lies in.
  static func part(_ share: Double) -> Int { min(count - 1, Int(share * Double(count))) }

  /// Takes in the losses of a batch.
  ///
  /// - Parameters:
  ///   - sums: For each part, the sum of the squares of its images.
  ///   - counts: For each part, the number of its images.
  mutating func absorb(_ sums: [Double], counts: [Double]) {
    for part in 0..<Self.count where counts[part] > 0 {
      visits[part] += counts[part]
      let weight = counts[part] / max(counts[part], min(visits[part], Self.window))
      squares[part] += weight * (sums[part] / counts[part] - squares[part])
    }
    update()
  }

  private mutating func update() {
    interior =
      visits.allSatisfy { $0 >= Self.fewest } ? GammaInterior(equalising: squares) : .linear
  }
}
