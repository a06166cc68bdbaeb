// How a network is told how noisy an image is: by a step's number, or by the noise level itself.

/// How a network is told at which step of a chain it is asked.
enum NetworkClock: Equatable, Sendable {
  /// By a number for each step.
  case steps([Int])
  /// By its noise level.
  case noiseLevel(NoiseLevelClock)

  /// The clock of a chain that visits only some steps.
  ///
  /// - Parameter steps: S_1 < … < S_K.
  func choosing(_ steps: [Int]) -> NetworkClock {
    switch self {
    case .steps(let numbers): .steps(steps.map { numbers[$0 - 1] })
    case .noiseLevel: self
    }
  }
}

/// The clock of a network that is told γ = log((1−ᾱ)/ᾱ), whatever schedule leads there: a variational
/// diffusion model's bound then depends on the ends of its schedule alone (Kingma et al. 2021, section
/// 5.1).
public struct NoiseLevelClock: Equatable, Sendable {
  /// γ at the clock's 0.
  public let first: Double
  /// γ at the clock's 1000.
  public let last: Double

  /// A clock that goes from 0 to 1000 between two levels, and beyond.
  public init(from first: Double, to last: Double) {
    precondition(first < last, "A clock goes forward.")
    (self.first, self.last) = (first, last)
  }

  /// The number that the network is told: 1000 (γ − first)/(last − first), the range of the sinusoids
  /// that Ho's networks are told their steps by.
  public func timestep(_ gamma: Double) -> Double { 1000 * (gamma - first) / (last - first) }
}
