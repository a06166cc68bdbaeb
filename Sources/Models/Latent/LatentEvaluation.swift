// What images cost by a model with latents: the bound by its parts, a tighter one, and what the latents do.

import Diffusion
import Foundation
import Layers
import Tensors

extension LatentVariableModel: Likelihood {
  /// The bound, and the importance-weighted one where it is asked for.
  ///
  /// - Throws: `LatentError` for an autoencoder, or options of other models.
  public func evaluation(_ options: EvaluationOptions) throws -> any Evaluation {
    guard !isAutoencoder else { throw LatentError.noLikelihood }
    if let method = options.method { throw LatentError.foreignOption("method \(method)") }
    if options.condition != nil { throw EvaluationError.notConditional }
    if let option = options.names.subtracting(["draws", "importance-samples"]).sorted().first {
      throw LatentError.foreignOption(option)
    }
    if options.draws != nil, options.importanceSamples != nil {
      throw LatentError.twoCounts
    }
    for (name, count) in [
      ("draws", options.draws), ("importance-samples", options.importanceSamples),
    ] {
      if let count, !(1...1_000_000).contains(count) {
        throw EvaluationError.invalid(option: name, needs: "a number from 1 to 1000000")
      }
    }
    return LatentEvaluation(
      model: self, draws: options.importanceSamples ?? options.draws ?? 50,
      isWeighted: options.importanceSamples != nil)
  }
}

/// The bound of some draws of each image.
struct LatentEvaluation: Evaluation {
  let model: LatentVariableModel
  /// The draws of an image.
  let draws: Int
  /// Whether they also give the importance-weighted bound.
  let isWeighted: Bool

  /// The images times draws that go through the networks together.
  private static let rows = 128

  /// The costs of the parts, the weighted bound, and the mean of each latent.
  var width: Int { 1 + model.layers + (isWeighted ? 1 : 0) + model.latentCount }
  let evaluations: Int? = 1
  var notes: [String] { [] }

  var facts: [String: Fact] {
    [
      "method": .text(isWeighted ? "importance_weighted" : "elbo"),
      isWeighted ? "importance_samples" : "draws": .integer(draws),
      "binarization": .text(model.binarization.rawValue),
    ]
  }

  func measure(
    _ batch: Batch, _ draws: Draws, _ makePass: () -> Pass, progress: () -> Void
  ) throws -> [[Double]] {
    defer { progress() }
    let pool = makePass().pool
    let x = model.observed(batch, draws, pool)
    var costs = [[Double]](
      repeating: Array(repeating: 0, count: 1 + model.layers), count: batch.count)
    var means = [[Double]](
      repeating: Array(repeating: 0, count: model.latentCount), count: batch.count)
    var weights = [LogMean](repeating: LogMean(), count: batch.count)
    let together = max(1, Self.rows / batch.count)
    for first in stride(from: 0, to: self.draws, by: together) {
      let samples = first..<min(first + together, self.draws)
      measure(x, samples, draws, makePass()) { n, sample in
        for (term, cost) in sample.costs.enumerated() { costs[n][term] += cost }
        for (latent, mean) in sample.means.enumerated() { means[n][latent] += mean }
        weights[n].add(sample.logWeight)
      }
    }
    return (0..<batch.count).map { n in
      let scale = 1 / Double(self.draws)
      return costs[n].map { $0 * scale } + (isWeighted ? [-weights[n].value] : [])
        + means[n].map { $0 * scale }
    }
  }

  /// One draw of an image.
  private struct Sample {
    /// −log p(x|z_1), and what each layer costs.
    var costs: [Double]
    /// The mean of each latent's posterior.
    var means: [Double]
    /// log p(x, z) − log q(z|x).
    var logWeight: Double
  }

  /// Several draws of each image, side by side.
  private func measure(
    _ x: Tensor, _ samples: Range<Int>, _ draws: Draws, _ pass: Pass,
    _ receive: (_ image: Int, Sample) -> Void
  ) {
    let (n, count) = (x.shape.n, x.shape.n * samples.count)
    let tiled = Tensor(Shape(count, x.shape.h, x.shape.w, x.shape.c), in: pass.pool)
    for row in 0..<count { _ = tiled.image(row).update(from: x.image(row % n)) }
    let layers = model.chain.infer(
      Variable(tiled),
      .given { layer, epsilon in
        for row in 0..<count {
          let sample = samples.lowerBound + row / n
          draws.stream(
            .latent, image: row % n, index: sample * LatentConfiguration.mostLayers + layer - 1
          ).fillNormal(epsilon.image(row))
        }
      }, pass)
    let decoded = model.chain.decode(layers[0].z, pass)
    let reconstruction = model.distribution.cost(
      of: tiled, mean: decoded.mean, logDeviation: model.logDeviation(decoded, pass), weight: 1,
      pass)
    let divergences = layers.indices.map { index in
      model.divergences(layers[index], isLast: index == layers.count - 1, weight: 1, pass)
    }
    for row in 0..<count {
      var sample = Sample(
        costs: [reconstruction[row]] + divergences.map { $0[row] }, means: [],
        logWeight: -reconstruction[row])
      for layer in layers {
        sample.logWeight -= logRatio(layer, row)
        sample.means += layer.posterior!.mean.value.image(row).map(Double.init)
      }
      receive(row % n, sample)
    }
  }

  /// log q(z_l) − log p(z_l) of the draw of a row.
  private func logRatio(_ layer: LatentChain.Layer, _ row: Int) -> Double {
    guard let posterior = layer.posterior else { preconditionFailure("A point has no weight.") }
    let z = layer.z.value.image(row)
    func logDensity(_ normal: DiagonalNormal?) -> Double {
      let (mean, deviation) = (
        normal?.mean.value.image(row), normal?.logDeviation.value.image(row)
      )
      return z.indices.reduce(0.0) { sum, i in
        let logSigma = Double(deviation?[i] ?? 0)
        let distance = (Double(z[i]) - Double(mean?[i] ?? 0)) * exp(-logSigma)
        return sum - logSigma - 0.5 * distance * distance
      }
    }
    return logDensity(posterior) - logDensity(layer.prior)
  }

  func results(of measurements: Measurements) -> EvaluationResults {
    let layers = model.layers
    let terms =
      ["reconstruction"] + (layers == 1 ? ["kl"] : (1...layers).map { "kl of z_\($0)" })
    let bound = EvaluationResults.Estimate("elbo", terms: terms, images: measurements.count) {
      measurements[$0, $1]
    }
    var estimates = [bound]
    if isWeighted {
      estimates.append(
        .init("K = \(draws)", terms: ["-log p"], images: measurements.count) { n, _ in
          measurements[n, 1 + layers]
        })
    }
    var results = EvaluationResults(estimates)
    let (mean, error) = bound.total
    results.tables = [
      .init(
        "the bound in nats of an image", columns: ["-elbo", "± s.e."] + terms,
        rows: [[mean, error] + bound.means])
    ]
    if isWeighted {
      let (mean, error) = estimates[1].total
      results.tables.append(
        .init(
          "importance-weighted, K = \(draws), in nats of an image", columns: ["-log p", "± s.e."],
          rows: [[mean, error]]))
    }
    results.tables.append(activeUnits(measurements, firstColumn: width - model.latentCount))
    return results
  }

  /// The latents whose means vary over the images.
  private func activeUnits(
    _ measurements: Measurements, firstColumn: Int
  ) -> EvaluationResults.Table {
    var column = firstColumn
    let counts = model.chain.latents.map { shape in
      defer { column += shape.count }
      return (column..<column + shape.count).count { column in
        var moments = Moments()
        for n in 0..<measurements.count { moments.add(measurements[n, column]) }
        return moments.variance > LatentVariableModel.activeVariance
      }
    }
    return .init(
      "active latents", columns: ["layer", "active", "of"],
      rows: counts.enumerated().map { index, count in
        [Double(index + 1), Double(count), Double(model.chain.latents[index].count)]
      })
  }
}

/// log of the mean of numbers whose logarithms come one by one.
private struct LogMean {
  private var (largest, sum, count) = (-Double.infinity, 0.0, 0.0)

  mutating func add(_ logarithm: Double) {
    count += 1
    // A weight that is no number makes the mean none.
    guard logarithm > largest else {
      sum += exp(logarithm - largest)
      return
    }
    sum = sum * exp(largest - logarithm) + 1
    largest = logarithm
  }

  var value: Double { largest + log(sum / count) }
}

/// The faults that a user's options can cause for a model with latents.
public enum LatentError: Error, Equatable, CustomStringConvertible {
  /// The likelihood of an autoencoder.
  case noLikelihood
  /// Images from an autoencoder, of which there is no distribution.
  case noPrior
  /// An option of other models.
  case foreignOption(String)
  /// A task that a diffusion of latents cannot do.
  case imagesOnly(String)
  /// Draws, and importance samples.
  case twoCounts
  /// A way to show what is decoded that there is not.
  case unknownSampler(String)
  /// Latents to walk through that there are not.
  case missingLatent(Int, count: Int)

  /// What is wrong and what to do, in one line.
  public var description: String {
    switch self {
    case .noLikelihood:
      "An autoencoder has no distribution of images and says of none what it costs: train with "
        + "model=vae, or see what it loses with ddpm-sample --reconstruct."
    case .noPrior:
      "An autoencoder has no distribution of images to draw from: take images of a dataset with "
        + "--reconstruct, or train with model=vae."
    case .foreignOption(let option):
      "A model with latents has no use for --\(option): leave it out."
    case .imagesOnly(let option):
      "--\(option) goes through the pixels of an image, and this model denoises latents: leave it out."
    case .twoCounts:
      "--importance-samples says how many draws an image has: leave --draws out."
    case .unknownSampler(let name):
      "A model with latents has no sampler '\(name)': choose mean, the decoder's mean, or draw, a draw "
        + "of its distribution."
    case .missingLatent(let latent, let count):
      "There is no latent \(latent): the last layer has the latents 1 to \(count)."
    }
  }
}
