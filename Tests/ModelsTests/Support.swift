// Models of a few thousand weights, and networks whose output is known.

import Diffusion
import Layers
import Models
import Tensors
import TestSupport

/// A model of 4 × 4 grey images, or of others.
func tinyModel(
  _ target: DenoisingDiffusion.Target = .simple, prediction: Prediction = .v,
  variance: ReverseVariance = .fixedSmall, levels: Int? = 17,
  schedule: NoiseSchedule = NoiseSchedule(.linear(from: 0.05, to: 0.4), steps: 8),
  weighting: LossWeighting = .none, timesteps: DenoisingDiffusion.TimestepSampling = .uniform,
  images: ImageShape = ImageShape(height: 4, width: 4, channels: 1),
  condition: ConditionKind = .none, conditionDrop: Double = 0
) -> DenoisingDiffusion {
  var network = UNetConfiguration()
  let readsCaptions =
    switch condition {
    case .none, .classes: false
    case .text, .encodedText: true
    }
  (network.channels, network.multipliers, network.blocks) = (readsCaptions ? 16 : 4, [1], 1)
  (network.attention, network.groups, network.dropout) = ([], 2, 0)
  return DenoisingDiffusion(
    network: UNet(
      network, images: images,
      outputChannels: images.channels * (variance == .learned ? 2 : 1), condition: condition),
    diffusion: GaussianDiffusion(
      schedule: schedule, prediction: prediction, variance: variance, levels: levels),
    target: target, weighting: weighting, timesteps: timesteps, conditionDrop: conditionDrop)
}

/// A variational diffusion model of 4 × 4 grey images, or of others.
func tinyVariational(
  from first: Double = -6, to last: Double = 4, learning: VariationalDiffusion.Learning = .linear,
  levels: Int? = 17, steps: Int = 0,
  images: ImageShape = ImageShape(height: 4, width: 4, channels: 1),
  condition: ConditionKind = .none, conditionDrop: Double = 0, fourierExponents: [Int] = []
) -> VariationalDiffusion {
  var network = UNetConfiguration()
  (network.channels, network.multipliers, network.blocks) = (4, [1], 1)
  (network.attention, network.groups, network.dropout) = ([], 2, 0)
  return VariationalDiffusion(
    network: UNet(
      network, images: images, condition: condition, fourierExponents: fourierExponents),
    from: first, to: last, learning: learning, levels: levels, steps: steps,
    conditionDrop: conditionDrop)
}

extension Objective {
  /// Where a parameter is.
  func range(_ name: String) -> Range<Int> {
    parameters.layout.entries.first { $0.name == name }!.range
  }
}

extension VariationalDiffusion {
  /// Weights of which all of the network's are random, with ends as before training.
  func randomWeights(scale: Float = 0.3) -> [Float] {
    var weights = parameters.initialWeights(seed: 1)
    weights.replaceSubrange(
      0..<network.parameters.layout.count,
      with: normals(network.parameters.layout.count, seed: 3, scale: scale))
    return weights
  }

  /// Weights of a network that emits this number at every scalar, with ends as before training.
  func constantWeights(_ output: Float) -> [Float] {
    var weights = parameters.initialWeights(seed: 1)
    for i in 0..<network.parameters.layout.count { weights[i] = 0 }
    for i in range("conv_out/b") { weights[i] = output }
    return weights
  }
}

extension DenoisingDiffusion {
  /// The same model with Γ_1 … Γ_T.
  func knowing(_ noiseNorms: [Double]) -> Self {
    var model = self
    model.adopt(
      ModelFacts(
        name: "diffusion", texts: [:],
        tables: [DenoisingDiffusion.noiseNormTable(weights: "ema"): noiseNorms]),
      weights: "ema")
    return model
  }

  /// Weights of which all are random.
  func randomWeights(scale: Float = 0.3) -> [Float] {
    normals(parameters.layout.count, seed: 3, scale: scale)
  }

  /// Weights of a network that emits these numbers at every pixel, one a channel.
  func constantWeights(_ output: [Float]) -> [Float] {
    var weights = [Float](repeating: 0, count: parameters.layout.count)
    weights.replaceSubrange(range("conv_out/b"), with: output)
    return weights
  }
}

/// Images whose scalars are among the levels v_k = −1 + 2k/(K−1).
func greyImages(
  _ count: Int, _ shape: ImageShape = ImageShape(height: 4, width: 4, channels: 1),
  levels: Int = 17, in pool: BufferPool
) -> Batch {
  let shape = Shape(count, shape.height, shape.width, shape.channels)
  let scalars = (0..<shape.count).map { i -> Float in
    let level = (i * 7 + i / 5) % levels
    return Float(level) / Float(levels - 1) * 2 - 1
  }
  return Batch(images: Tensor(shape, scalars, in: pool))
}

/// The losses of a batch, and their gradient.
func losses(
  _ model: some Objective, _ batch: Batch, _ draws: Draws, weights: [Float], in pool: BufferPool
) -> (losses: Losses, gradient: [Float]) {
  var gradient = [Float](repeating: .nan, count: weights.count)
  let losses = gradient.withUnsafeMutableBufferPointer { gradient in
    weights.withUnsafeBufferPointer { weights in
      let pass = Pass(
        pool: pool, weights: weights.baseAddress!, gradient: gradient.baseAddress!)
      let losses = model.loss(batch, draws, pass)
      pass.backward()
      return losses
    }
  }
  return (losses, gradient)
}

/// The relative difference of two numbers, or the absolute one below 1.
func difference(_ a: Double, _ b: Double) -> Double { abs(a - b) / max(abs(b), 1) }
