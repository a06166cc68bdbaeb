// Training a denoising diffusion model: noised images, and what the network says of them.

import Diffusion
import Layers
import Tensors

extension DenoisingDiffusion {
  /// The bins of t for the loss by timestep: t of the k-th is in T k/8 + 1 … T (k+1)/8.
  private static let bins = 8

  /// Those of the network.
  public var parameters: ParameterRegistry { network.parameters }

  /// Those of the target.
  public var terms: [String] { target.terms }

  /// That of the target.
  public var unit: String? { target.unit }

  /// What the weighting does to the size of the loss.
  public var notes: [String] {
    guard weighting != .none else { return [] }
    let mean = weighting.mean(of: diffusion.schedule, for: diffusion.prediction)
    return [
      "The weights of the squared error have the mean \((mean * 1000).rounded() / 1000) over t."
    ]
  }

  /// The loss, and the number of images, of each bin of t; with importance sampling also the squared
  /// loss and the number of images of each t.
  public var sums: [SumVector] {
    var sums = [
      SumVector("loss_by_timestep", count: Self.bins),
      SumVector("images_by_timestep", count: Self.bins),
    ]
    if timesteps == .importance {
      let steps = diffusion.schedule.steps
      sums += [
        SumVector("squared_loss_of_timestep", count: steps, isLogged: false),
        SumVector("images_of_timestep", count: steps, isLogged: false),
      ]
    }
    return sums
  }

  /// Noises the images, each to a step t of its own, and compares what the network says of them.
  public func loss(_ batch: Batch, _ draws: Draws, _ pass: Pass) -> Losses {
    let (x0, xt) = (batch.images, Tensor(batch.images.shape, in: pass.pool))
    let drawn = pass.profile.measure(.batch) {
      (0..<batch.count).map { n in
        let drawn = timestep(image: n, of: batch.count, draws)
        diffuse(
          x0.image(n), t: drawn.t, draws.stream(.noise, image: n), into: xt.image(n), pass.pool)
        return drawn
      }
    }
    let output = output(
      xt, t: drawn.map(\.t), batch.told(draws, drop: conditionDrop), pass)
    func losses(_ gradients: [Tensor]) -> Losses {
      var losses = Losses(
        terms: Array(repeating: 0, count: terms.count),
        sums: sums.map { Array(repeating: 0, count: $0.count) })
      for (n, (t, weight)) in drawn.enumerated() {
        let image = NoisedImage(
          t: t, weight: weighting.weight(at: t, of: diffusion.schedule, for: diffusion.prediction),
          x0: x0.image(n), xt: xt.image(n), output: output.mean.value.image(n),
          variance: output.variance?.value.image(n), gradient: gradients.first?.image(n),
          varianceGradient: gradients.count > 1 ? gradients[1].image(n) : nil)
        let loss = target.loss(image, diffusion)
        let count = Double(batch.count)
        multiply(image.gradient, by: loss.factor * weight / count)
        multiply(image.varianceGradient, by: loss.varianceFactor * weight / count)
        for (term, value) in loss.terms.enumerated() { losses.terms[term] += weight * value }
        add(loss.terms.reduce(0, +), t: t, to: &losses.sums)
      }
      for term in terms.indices { losses.terms[term] /= Double(batch.count) }
      return losses
    }
    if let variance = output.variance {
      return pass.loss(of: output.mean, variance, evaluate: losses)
    }
    return pass.loss(of: output.mean, evaluate: losses)
  }

  /// The step t of each image.
  public func choices(_ draws: Draws, count: Int) -> [String: [Int]] {
    ["t": (0..<count).map { timestep(image: $0, of: count, draws).t }]
  }

  private func multiply(_ gradient: UnsafeMutableBufferPointer<Float>?, by factor: Double) {
    guard let gradient else { return }
    let factor = Float(factor)
    for i in gradient.indices { gradient[i] *= factor }
  }

  /// Adds the loss of an image to the vectors of `sums`.
  private func add(_ loss: Double, t: Int, to sums: inout [[Double]]) {
    let bin = (t - 1) * Self.bins / diffusion.schedule.steps
    sums[0][bin] += loss
    sums[1][bin] += 1
    guard timesteps == .importance else { return }
    sums[2][t - 1] += loss * loss
    sums[3][t - 1] += 1
  }

  /// The history of the losses, where t is drawn by it.
  public var state: [String: [Double]] {
    get {
      guard timesteps == .importance else { return [:] }
      return ["timestep_losses": history.squares, "timestep_visits": history.visits]
    }
    set {
      guard timesteps == .importance else {
        precondition(newValue.isEmpty, "Without importance sampling there is no state.")
        return
      }
      guard let squares = newValue["timestep_losses"], let visits = newValue["timestep_visits"]
      else { preconditionFailure("The names of a state are compared first.") }
      history = LossHistory(squares: squares, visits: visits)
    }
  }

  /// Adds the losses of a step to the history.
  public mutating func absorb(_ sums: [[Double]]) {
    guard timesteps == .importance else { return }
    history.absorb(sums[2], counts: sums[3])
  }
}
