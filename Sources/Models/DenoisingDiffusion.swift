// Denoising diffusion models: the network, the process, and what the two say together.

import Diffusion
import Layers
import Tensors

/// A denoising diffusion probabilistic model (Ho, Jain, Abbeel 2020): the network, the process, and
/// what the network is trained towards.
///
/// Training, evaluation and generation are an extension in a file each.
public struct DenoisingDiffusion: Objective {
  /// The network that is told x_t and t.
  ///
  /// Its output has the channels of an image, and as many again where the variance is learned.
  public let network: UNet
  /// The process, and what the network's output means in it.
  public let diffusion: GaussianDiffusion
  let target: Target
  let weighting: LossWeighting
  let timesteps: TimestepSampling
  /// The probability with which training does not tell what an image shows.
  let conditionDrop: Double
  /// Of use where `timesteps` is `importance`.
  var history: LossHistory
  /// Γ_1 … Γ_T of the weights in use, E‖ε̂(x_t, t)‖²/d over the data; nil where they have not been
  /// estimated.
  public private(set) var noiseNorms: [Double]?

  /// A model of some images; a network with a learned variance has twice their channels as output.
  ///
  /// - Parameter conditionDrop: The probability with which training does not tell the network what an
  ///   image shows, so that it also learns what images are at all: classifier-free guidance needs both
  ///   (Ho, Salimans 2022, algorithm 1).
  public init(
    network: UNet, diffusion: GaussianDiffusion, target: Target,
    weighting: LossWeighting = .none, timesteps: TimestepSampling = .uniform,
    conditionDrop: Double = 0
  ) {
    let outputs = network.images.channels * (diffusion.variance == .learned ? 2 : 1)
    precondition(
      network.outputChannels == outputs, "A network emits a mean, and a learned variance beside it."
    )
    if let defect = target.defect(variance: diffusion.variance, weighting: weighting) {
      preconditionFailure(defect)
    }
    (self.network, self.diffusion, self.target) = (network, diffusion, target)
    (self.weighting, self.timesteps) = (weighting, timesteps)
    self.conditionDrop = conditionDrop
    history = LossHistory(steps: timesteps == .importance ? diffusion.schedule.steps : 0)
  }

  /// β_1 … β_T, and the words for prediction and variance.
  public var facts: ModelFacts? {
    ModelFacts(
      name: "diffusion",
      texts: [
        "prediction": diffusion.prediction.rawValue, "variance": diffusion.variance.rawValue,
      ], tables: ["betas": diffusion.schedule.betas])
  }

  /// That of the network.
  public var condition: ConditionKind { network.condition }

  /// The name of the table of Γ that belongs to some weights of a checkpoint.
  public static func noiseNormTable(weights: String) -> String { "noise_norms_\(weights)" }

  /// Takes over Γ, where the checkpoint has it for these weights.
  public mutating func adopt(_ facts: ModelFacts, weights: String) {
    let norms = facts.tables[Self.noiseNormTable(weights: weights)]
    noiseNorms = norms?.count == diffusion.schedule.steps ? norms : nil
  }

  /// The network's raw output for noisy images, (n, h, w, c), or (n, h, w, 2c) where the variance is
  /// learned.
  ///
  /// - Parameters:
  ///   - times: The timestep of each image, 0 … T − 1.
  ///   - conditions: What each is said to show; empty: nothing.
  public func output(
    _ xt: Tensor, times: [Int], conditions: [Condition] = [], _ pass: Pass
  ) -> Tensor {
    network(
      Variable(xt), Conditioning(times: times.map(Double.init), conditions: conditions), pass
    ).value
  }

  /// What the network says of noisy images, on the tape.
  struct Output {
    /// The raw output for the mean, (n, h, w, c).
    let mean: Variable
    /// That for the variance, (n, h, w, c); nil where it is fixed.
    let variance: Variable?
  }

  /// The raw output for the mean, (n, h, w, c).
  func meanOutput(_ xt: Tensor, _ conditioning: Conditioning, _ pass: Pass) -> Tensor {
    split(network(Variable(xt), conditioning, pass), pass).mean.value
  }

  /// What the network says of noisy images, on the tape.
  ///
  /// - Parameters:
  ///   - t: The step of each image, 1 … T.
  ///   - conditions: What each is said to show; empty: nothing.
  func output(_ xt: Tensor, t: [Int], _ conditions: [Condition], _ pass: Pass) -> Output {
    let times = t.map(diffusion.schedule.timestep)
    return split(
      network(Variable(xt), Conditioning(times: times, conditions: conditions), pass), pass)
  }

  func split(_ raw: Variable, _ pass: Pass) -> Output {
    guard diffusion.variance == .learned else { return Output(mean: raw, variance: nil) }
    let (mean, variance) = pass.split(raw, at: network.images.channels)
    return Output(mean: mean, variance: variance)
  }

  /// Writes x_t = √ᾱ_t x_0 + √(1−ᾱ_t) ε of one image (Ho, Jain, Abbeel 2020, equation 4).
  func diffuse(
    _ x0: UnsafeMutableBufferPointer<Float>, t: Int, _ stream: RandomStream,
    into xt: UnsafeMutableBufferPointer<Float>, _ pool: BufferPool
  ) {
    let noise = Tensor(Shape(1, 1, 1, x0.count), in: pool)
    stream.fillNormal(noise.scalars)
    var result = xt.mutableSpan
    diffusion.forward(t: t, x0: x0.span, noise: noise.scalars.span, into: &result)
  }
}
