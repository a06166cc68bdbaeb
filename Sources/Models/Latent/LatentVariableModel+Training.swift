// Training a model with latents: the bound of one draw, layer by layer.

import Diffusion
import Foundation
import Layers
import Tensors

extension LatentVariableModel {
  /// What the decoder leaves, and what the latents cost.
  public var terms: [String] { isAutoencoder ? ["reconstruction"] : ["reconstruction", "kl"] }

  /// That of a bound.
  public var unit: String? { "nats" }

  /// The divergence of each layer, summed over the images, before it is weighted; and the moments of the
  /// posterior means, from which the active latents follow.
  public var sums: [SumVector] {
    guard !isAutoencoder else { return [] }
    return [
      SumVector("kl_of_layers", count: layers),
      SumVector("posterior_moments", count: 1 + 2 * latentCount, isLogged: false),
    ]
  }

  /// An autoencoder has no prior.
  public var drawsImages: Bool { !isAutoencoder }

  /// That β is no bound, where it is none; that an autoencoder draws no grids.
  public var notes: [String] {
    if isAutoencoder {
      return ["An autoencoder has no prior: training draws no grids of samples."]
    }
    guard divergenceWeight < 1 else { return [] }
    return [
      "With kl_weight \(divergenceWeight) training does not descend along a bound; evaluate and "
        + "validation do not weight it."
    ]
  }

  /// The latents of all layers.
  var latentCount: Int { chain.latents.reduce(0) { $0 + $1.count } }

  /// β at a step; 1 outside training, where the loss is the bound.
  private func divergenceWeight(atStep step: Int?) -> Double {
    guard let step else { return 1 }
    let share = warmupSteps == 0 ? 1 : min(1, Double(step) / Double(warmupSteps))
    return divergenceWeight * share
  }

  /// −log p(x|z_1) of a draw of each image, and β times what the layers cost.
  public func loss(_ batch: Batch, _ draws: Draws, _ pass: Pass) -> Losses {
    let count = Double(batch.count)
    let x = pass.profile.measure(.batch) { observed(batch, draws, pass.pool) }
    let noise = LatentChain.Noise.given { layer, epsilon in
      for n in 0..<batch.count {
        draws.stream(.latent, image: n, index: layer).fillNormal(epsilon.image(n))
      }
    }
    let layers = chain.infer(Variable(x), noise, pass)
    let decoded = chain.decode(layers[0].z, pass)
    let costs = distribution.cost(
      of: x, mean: decoded.mean, logDeviation: logDeviation(decoded, pass), weight: 1 / count, pass)
    let reconstruction = costs.reduce(0, +) / count
    guard !isAutoencoder else { return Losses(terms: [reconstruction]) }
    let beta = divergenceWeight(atStep: draws.step)
    let byLayer = layers.indices.map { index in
      divergences(layers[index], isLast: index == layers.count - 1, weight: beta / count, pass)
        .reduce(0, +)
    }
    return Losses(
      terms: [reconstruction, beta * byLayer.reduce(0, +) / count],
      sums: [byLayer, moments(of: layers)])
  }

  /// What a layer costs each image in nats, on the tape.
  ///
  /// Where q and p of a layer depend on the same draws above it, this is their divergence. From the
  /// bottom up, z_l is what z_{l+1} is drawn from, so that only the last layer has one: of the others it
  /// is log q(z_l|z_{l−1}) − log p(z_l|z_{l+1}), of which the first has its expectation, −H
  /// (mathematics.md, M70).
  ///
  /// - Parameter weight: The factor of each image's cost in what training descends along.
  package func divergences(
    _ layer: LatentChain.Layer, isLast: Bool, weight: Double, _ pass: Pass
  ) -> [Double] {
    guard let posterior = layer.posterior else { preconditionFailure("A point costs nothing.") }
    let isSampled = !isLast && chain.configuration.inference == .bottomUp
    var variables = [posterior.logDeviation, isSampled ? layer.z : posterior.mean]
    if let prior = layer.prior { variables += [prior.mean, prior.logDeviation] }
    return pass.loss(of: variables) { gradients in
      (0..<layer.z.shape.n).map { n in
        let spread = posterior.logDeviation.value.image(n)
        let place = variables[1].value.image(n)
        let (mean, deviation) = (
          layer.prior?.mean.value.image(n), layer.prior?.logDeviation.value.image(n)
        )
        var nats = 0.0
        for i in place.indices {
          let (logQ, logP) = (Double(spread[i]), Double(deviation?[i] ?? 0))
          let distance = Double(place[i]) - Double(mean?[i] ?? 0)
          let precision = exp(-2 * logP)
          // σ_q²/σ_p²; of a draw, its place holds what the posterior is spread.
          let ratio = isSampled ? 0 : exp(2 * (logQ - logP))
          let square = distance * distance * precision
          nats += logP - logQ + 0.5 * (square + ratio - 1)
          guard !gradients.isEmpty else { continue }
          gradients[0].image(n)[i] = Float(weight * (ratio - 1))
          gradients[1].image(n)[i] = Float(weight * distance * precision)
          if layer.prior != nil {
            gradients[2].image(n)[i] = Float(-weight * distance * precision)
            gradients[3].image(n)[i] = Float(weight * (1 - square - ratio))
          }
        }
        return nats
      }
    }
  }

  /// The number of images, and of each latent's posterior mean the sum and the sum of squares.
  private func moments(of layers: [LatentChain.Layer]) -> [Double] {
    var (sums, squares) = ([Double](), [Double]())
    for layer in layers {
      guard let mean = layer.posterior?.mean.value else { continue }
      for i in 0..<mean.shape.imageCount {
        var (sum, square) = (0.0, 0.0)
        for n in 0..<mean.shape.n {
          let value = Double(mean.image(n)[i])
          sum += value
          square += value * value
        }
        sums.append(sum)
        squares.append(square)
      }
    }
    return [Double(layers[0].z.shape.n)] + sums + squares
  }

  /// The active latents of each layer, those whose posterior means vary over the batch by more than 0.01
  /// (Burda et al. 2016, section 5.2). Of the layers above the first, means of one draw are compared,
  /// which counts more than `evaluate` does.
  public func figures(_ sums: [[Double]]) -> [String: [Double]] {
    guard !isAutoencoder, let moments = sums.last, moments[0] > 0 else { return [:] }
    let (count, total) = (moments[0], latentCount)
    var first = 1
    let active = chain.latents.map { shape in
      defer { first += shape.count }
      return Double(
        (first..<first + shape.count).count { place in
          let mean = moments[place] / count
          return moments[place + total] / count - mean * mean > Self.activeVariance
        })
    }
    return ["active_units": active]
  }

  /// The variance of its posterior mean above which a latent is active.
  static let activeVariance = 0.01
}
