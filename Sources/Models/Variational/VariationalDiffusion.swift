// Variational diffusion models: the network, and a noise schedule of which ends and interior can be learned.

import Diffusion
import Layers
import Tensors

/// A variational diffusion model (Kingma, Salimans, Poole, Ho 2021): a network that is told how noisy an
/// image is, trained for the bound on its likelihood in continuous time or over T steps.
///
/// Training, evaluation and generation are an extension in a file each.
public struct VariationalDiffusion: Objective {
  /// What is learned of the noise schedule.
  public enum Learning: String, CaseIterable, Sendable {
    /// Nothing: γ rises evenly between the ends that are given.
    case linear
    /// Its ends, for the bound; between them γ rises evenly.
    case endpoints
    /// Its ends, for the bound, and how it rises between them, for the variance of the bound's estimate.
    case monotone
  }

  /// The network that is told z_t and γ(t); its output is ε̂.
  public let network: UNet
  /// The clock of the network; its ends are those of the schedule before training.
  let clock: NoiseLevelClock
  let learning: Learning
  /// The grey levels of the images; nil: they are continuous.
  let levels: Int?
  /// T; 0: continuous time.
  let steps: Int
  /// The probability with which training does not tell what an image shows.
  let conditionDrop: Double
  /// The network's parameters, and behind them the ends of a learned schedule.
  public let parameters: ParameterRegistry
  /// γ_0 and w, where γ_1 = γ_0 + log(1 + e^w); nil where the ends are fixed.
  let ends: (first: Parameter, width: Parameter)?
  /// Of use where the interior is learned.
  var losses = GammaLosses()
  /// The ends of the weights in use; before any are, those before training.
  private var adopted: (first: Double, last: Double)

  /// A model of some images.
  ///
  /// - Parameters:
  ///   - network: Its output has the channels of an image.
  ///   - first: γ_0, before training where it is learned.
  ///   - last: γ_1, likewise.
  ///   - steps: T; 0: continuous time. A schedule that is learned needs continuous time, where its slope
  ///     is known without the network's derivative.
  ///   - conditionDrop: The probability with which training does not tell what an image shows.
  public init(
    network: UNet, from first: Double, to last: Double, learning: Learning = .linear,
    levels: Int?, steps: Int = 0, conditionDrop: Double = 0
  ) {
    precondition(
      network.outputChannels == network.images.channels, "A network emits the noise of an image.")
    precondition(steps == 0 || learning == .linear, "A schedule learns in continuous time.")
    (self.network, self.learning, self.levels) = (network, learning, levels)
    (self.steps, self.conditionDrop) = (steps, conditionDrop)
    clock = NoiseLevelClock(from: first, to: last)
    adopted = (first, last)
    var registry = network.parameters
    if learning == .linear {
      ends = nil
    } else {
      let width = last - first
      ends = (
        registry.add("gamma/first", [1], .constant(Float(first))),
        // log(e^width − 1), the inverse of softplus.
        registry.add("gamma/width", [1], .constant(Float(inverseSoftplus(width))))
      )
    }
    parameters = registry
  }

  /// The clock's ends, the waves that the network sees, T, and in words what is learned and the decoder.
  public var facts: ModelFacts? {
    var tables = ["clock": [clock.first, clock.last], "steps": [Double(steps)]]
    if !network.fourierExponents.isEmpty {
      tables["fourier_exponents"] = network.fourierExponents.map(Double.init)
    }
    return ModelFacts(
      name: "vdm",
      texts: [
        "schedule": learning.rawValue, "decoder": levels == nil ? "normal" : "level_softmax",
      ], tables: tables)
  }

  /// That of the network.
  public var condition: ConditionKind { network.condition }

  /// Takes over the ends of the noise schedule.
  public mutating func adopt(weights: UnsafeBufferPointer<Float>) {
    guard let ends else { return }
    adopted = Self.ends(
      first: weights[ends.first.range.lowerBound], width: weights[ends.width.range.lowerBound])
  }

  /// The noise schedule of the weights that have been taken over last.
  var schedule: GammaSchedule { schedule(adopted) }

  /// The noise schedule of the weights of a pass.
  func schedule(_ pass: Pass) -> GammaSchedule {
    guard let ends else { return schedule(adopted) }
    return schedule(Self.ends(first: value(ends.first, pass), width: value(ends.width, pass)))
  }

  /// The weight of a parameter that is one number, without a record.
  func value(_ parameter: Parameter, _ pass: Pass) -> Float {
    read(parameter, pass.withoutGradient()).value.scalars[0]
  }

  /// A parameter that is one number, on the tape.
  func read(_ parameter: Parameter, _ pass: Pass) -> Variable {
    pass.repeated(parameter, shape: Shape(1, 1, 1, 1))
  }

  private func schedule(_ ends: (first: Double, last: Double)) -> GammaSchedule {
    GammaSchedule(
      from: ends.first, to: ends.last,
      interior: learning == .monotone ? losses.interior : .linear)
  }

  private static func ends(first: Float, width: Float) -> (first: Double, last: Double) {
    (Double(first), Double(first) + softplus(Double(width)))
  }

  /// ε̂ of noisy images on the tape, each at its γ.
  func predictedNoise(
    _ z: Tensor, _ gammas: [Double], _ conditions: [Condition], _ pass: Pass
  ) -> Variable {
    network(
      Variable(z), Conditioning(times: gammas.map(clock.timestep), conditions: conditions), pass)
  }

  /// z = α x + σ ε of one image.
  func diffuse(
    _ x: UnsafeMutableBufferPointer<Float>, _ noise: UnsafeMutableBufferPointer<Float>,
    gamma: Double, into z: UnsafeMutableBufferPointer<Float>
  ) {
    let (kept, deviation) = forwardCoefficients(gamma: gamma)
    for i in x.indices { z[i] = Float(kept * Double(x[i]) + deviation * Double(noise[i])) }
  }
}
