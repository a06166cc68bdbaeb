// The objectives of a learned variance, and the weights of the squared error, through the network.

import Diffusion
import Foundation
import Layers
import Models
import Tensors
import TestSupport
import Testing

@Suite struct HybridTests {
  private let pool = BufferPool()
  private let dot = ImageShape(height: 1, width: 1, channels: 1)

  /// What a batch is turned into: t and x_t of each image.
  private func noised(
    _ model: DenoisingDiffusion, _ batch: Batch, _ draws: Draws
  ) -> [(t: Int, xt: [Float])] {
    (0..<batch.count).map { n in
      let t =
        1
        + draws.stream(.timestep, image: n)
        .integer(below: model.diffusion.schedule.steps)
      let x0 = Array(batch.images.image(n))
      var noise = x0
      noise.withUnsafeMutableBufferPointer { draws.stream(.noise, image: n).fillNormal($0) }
      var xt = x0
      var span = xt.mutableSpan
      model.diffusion.forward(t: t, x0: x0.span, noise: noise.span, into: &span)
      return (t, xt)
    }
  }

  /// The network's outputs for mean and variance of one image.
  private func outputs(
    _ model: DenoisingDiffusion, _ xt: [Float], t: Int, weights: [Float], _ batch: Batch
  ) -> (mean: [Float], variance: [Float]) {
    let shape = batch.images.shape
    let raw = weights.withUnsafeBufferPointer {
      model.output(
        Tensor(Shape(1, shape.h, shape.w, shape.c), xt, in: pool), times: [t - 1],
        Pass(pool: pool, weights: $0.baseAddress!))
    }
    let scalars = Array(raw.scalars)
    let (c, pixels) = (shape.c, shape.h * shape.w)
    func channels(_ range: Range<Int>) -> [Float] {
      (0..<pixels).flatMap { pixel in range.map { scalars[pixel * 2 * c + $0] } }
    }
    return (channels(0..<c), channels(c..<2 * c))
  }

  /// L_simple + 0.001 T L_t, the latter in bits per dimension; `bound` is T L_t and L_T.
  @Test(arguments: Prediction.allCases, [1, 3])
  func termsAreThoseOfTheFormula(prediction: Prediction, channels: Int) {
    let shape = ImageShape(height: 4, width: 4, channels: channels)
    for target in [DenoisingDiffusion.Target.hybrid, .bound] {
      let weighting: LossWeighting = target == .hybrid ? .minSNR(gamma: 2) : .none
      let model = tinyModel(
        target, prediction: prediction, variance: .learned, weighting: weighting, images: shape)
      let (weights, batch) = (model.randomWeights(), greyImages(6, shape, in: pool))
      let (diffusion, bits) = (model.diffusion, 1 / (16 * Double(channels) * log(2)))
      for step in 0..<6 {
        let draws = Draws(seed: 1, step: step, shard: 0, of: 1)
        let ours = losses(model, batch, draws, weights: weights, in: pool).losses
        var expected = [Double](repeating: 0, count: target == .hybrid ? 2 : 3)
        for (n, (t, xt)) in noised(model, batch, draws).enumerated() {
          let x0 = batch.images.image(n).span
          let output = outputs(model, xt, t: t, weights: weights, batch)
          let nats = diffusion.boundTerm(
            t: t, x0: x0, xt: xt.span, output: output.mean.span, variance: output.variance.span)
          if target == .hybrid {
            let weight = weighting.weight(at: t, of: diffusion.schedule, for: prediction)
            expected[0] +=
              weight
              * diffusion.simpleTerm(t: t, x0: x0, xt: xt.span, output: output.mean.span) / 6
            expected[1] += 0.001 * 8 * nats * bits / 6
          } else {
            expected[0] += diffusion.terminalTerm(x0: x0) * bits / 6
            expected[t == 1 ? 2 : 1] += 8 * nats * bits / 6
          }
        }
        // The network alone and in a batch differ by rounding.
        for (a, b) in zip(ours.terms, expected) { #expect(abs(a - b) < 1e-4 * abs(b) + 1e-7) }
      }
    }
  }

  /// One scalar, whose gradient is that of the last layer's bias.
  ///
  /// The mean's is that of `simple` bit for bit; the variance's, 0.001 T/(d ln 2) ∂L_t/∂v.
  @Test(arguments: Prediction.allCases, [LossWeighting.none, .minSNR(gamma: 0.7)])
  func theBoundTeachesTheVarianceAlone(prediction: Prediction, weighting: LossWeighting) {
    let hybrid = tinyModel(
      .hybrid, prediction: prediction, variance: .learned, weighting: weighting, images: dot)
    let bound = tinyModel(.bound, prediction: prediction, variance: .learned, images: dot)
    let simple = tinyModel(.simple, prediction: prediction, weighting: weighting, images: dot)
    let (output, v) = (Float(0.3), Float(-0.4))
    let batch = greyImages(1, dot, levels: 3, in: pool)
    var seen: Set<Int> = []
    for step in 0..<40 {
      let draws = Draws(seed: 2, step: step, shard: 0, of: 1)
      let (t, xt) = noised(hybrid, batch, draws)[0]
      seen.insert(t)
      func gradient(_ model: DenoisingDiffusion, _ outputs: [Float]) -> [Float] {
        let gradient = losses(
          model, batch, draws, weights: model.constantWeights(outputs), in: pool
        ).gradient
        return Array(gradient[model.range("conv_out/b")])
      }
      let ours = gradient(hybrid, [output, v])
      #expect(ours[0].bitPattern == gradient(simple, [output])[0].bitPattern)
      var (mean, variance): ([Float], [Float]) = ([0], [0])
      var meanSpan = mean.mutableSpan
      var varianceSpan = variance.mutableSpan
      _ = hybrid.diffusion.boundTerm(
        t: t, x0: batch.images.image(0).span, xt: xt.span, output: [output].span,
        variance: [v].span, gradient: &meanSpan, varianceGradient: &varianceSpan)
      let factor = 8 / log(2.0)
      #expect(variance[0] != 0)
      #expect(difference(Double(ours[1]), 0.001 * factor * Double(variance[0])) < 1e-6)
      let both = gradient(bound, [output, v])
      for (a, b) in zip(both, [mean[0], variance[0]]) {
        #expect(abs(Double(a) - factor * Double(b)) < 1e-6 * factor * abs(Double(b)))
      }
    }
    #expect(seen == Set(1...8))
  }

  /// Weighted or not, what a wrong x̂_0 costs is the same whatever is predicted.
  @Test func weightsReachTheLoss() {
    for weighting in [LossWeighting.minSNR(gamma: 5), .p2(k: 1, gamma: 1)] {
      let draws = Draws(seed: 4, step: 0, shard: 0, of: 1)
      let batch = greyImages(8, dot, in: pool)
      let plain = tinyModel(prediction: .epsilon, images: dot)
      let model = tinyModel(prediction: .epsilon, weighting: weighting, images: dot)
      let weights = plain.constantWeights([0.5])
      let expected = noised(plain, batch, draws).enumerated().reduce(0.0) { sum, image in
        let (t, xt) = image.element
        return sum
          + weighting.weight(at: t, of: plain.diffusion.schedule, for: .epsilon)
          * plain.diffusion.simpleTerm(
            t: t, x0: batch.images.image(image.offset).span, xt: xt.span, output: [0.5].span)
      }
      let ours = losses(model, batch, draws, weights: weights, in: pool).losses
      #expect(difference(ours.terms[0], expected / 8) < 1e-12)
      #expect(model.notes.count == 1 && plain.notes.isEmpty)
      let mean = weighting.mean(of: plain.diffusion.schedule, for: .epsilon)
      #expect(model.notes[0].contains("the mean \((mean * 1000).rounded() / 1000) "))
    }
  }

  @Test func whatDoesNotFitIsSaid() {
    typealias Target = DenoisingDiffusion.Target
    for target in Target.allCases {
      for variance in [ReverseVariance.fixedSmall, .learned] {
        for weighting in [LossWeighting.none, .minSNR(gamma: 5)] {
          let defect = target.defect(variance: variance, weighting: weighting)
          let isFit: Bool =
            switch target {
            case .simple: variance != .learned
            case .bound: weighting == .none
            default: variance == .learned
            }
          #expect((defect == nil) == isFit, "\(target) \(variance) \(weighting)")
        }
      }
    }
    #expect(
      Target.simple.defect(variance: .learned, weighting: .none)!.contains("bound or hybrid"))
    #expect(
      Target.hybrid.defect(variance: .fixedLarge, weighting: .none)!.contains("simple or bound"))
    #expect(
      Target.bound.defect(variance: .learned, weighting: .p2(k: 1, gamma: 1))!
        .contains("simple or hybrid"))
  }
}
