// Training a variational diffusion model: the three terms of its bound, and the slope of its schedule's ends.

import Diffusion
import Layers
import Tensors

extension VariationalDiffusion {
  /// The bins of t for the loss by time: t of the k-th is in [k/8, (k+1)/8).
  private static let bins = 8
  /// The share of the images whose loss at γ_0, and at γ_1, gives the slope of these ends.
  private static let endShare = 1.0 / 16

  /// KL(q(z_1|x) ‖ N(0, I)), the diffusion term, and −log p(x|z_0).
  public var terms: [String] { ["prior", "diffusion", "reconstruction"] }

  /// Bits per dimension.
  public var unit: String? { "bits/dim" }

  /// The loss, and the number of images, of each bin of t; where the interior is learned also the squares
  /// of ‖ε − ε̂‖²/d, and the number of images, of each part of the way of γ.
  public var sums: [SumVector] {
    var sums = [
      SumVector("loss_by_timestep", count: Self.bins),
      SumVector("images_by_timestep", count: Self.bins),
    ]
    if learning == .monotone {
      sums += [
        SumVector("squared_error_by_gamma", count: GammaLosses.count, isLogged: false),
        SumVector("images_by_gamma", count: GammaLosses.count, isLogged: false),
      ]
    }
    return sums
  }

  /// The random numbers of an image's noise, by their index.
  enum Noise {
    /// That of z_t.
    static let diffusion = 0
    /// That of z_0.
    static let reconstruction = 1
    /// That of z at an end of the schedule.
    static let end = 2
  }

  /// The bound of each image at one time of its own, spread evenly over the whole batch (Kingma et al.
  /// 2021, appendix I.1).
  public func loss(_ batch: Batch, _ draws: Draws, _ pass: Pass) -> Losses {
    let schedule = schedule(pass)
    let bound = VariationalTerms(schedule, levels: levels)
    let (x, z) = (batch.images, Tensor(batch.images.shape, in: pass.pool))
    let noise = Tensor(x.shape, in: pass.pool)
    let times = (0..<batch.count).map { draws.spread(.timestep, image: $0, of: batch.count) }
    let moments = times.map { bound.moment($0, steps: steps) }
    pass.profile.measure(.batch) {
      for n in 0..<batch.count {
        draws.stream(.noise, image: n, index: Noise.diffusion).fillNormal(noise.image(n))
        diffuse(x.image(n), noise.image(n), gamma: moments[n].point.gamma, into: z.image(n))
      }
    }
    let conditions = batch.told(draws, drop: conditionDrop)
    let output = predictedNoise(z, moments.map(\.point.gamma), conditions, pass)
    var slopes = endSlopes(schedule, batch, conditions, draws, pass)

    let unit = bitsPerDimension(nats: 1, dimensions: x.shape.imageCount)
    func losses(_ gradients: [Tensor]) -> Losses {
      var losses = Losses(
        terms: [0, 0, 0], sums: sums.map { Array(repeating: 0, count: $0.count) })
      let fresh = Tensor(Shape(1, 1, 1, x.shape.imageCount), in: pass.pool)
      for n in 0..<batch.count {
        draws.stream(.noise, image: n, index: Noise.reconstruction).fillNormal(fresh.scalars)
        let prior = bound.prior(x: x.image(n).span)
        let reconstruction = bound.reconstruction(
          x: x.image(n).span, noise: fresh.scalars.span)
        let factor = 2 * unit * moments[n].weight / Double(batch.count)
        let error = squaredError(
          noise.image(n), output.value.image(n), gradients.first?.image(n), factor: factor)
        let own = [prior.nats, moments[n].weight * error, reconstruction.nats]
        for (term, nats) in own.enumerated() { losses.terms[term] += unit * nats }
        slopes.last += prior.derivative
        slopes.first += reconstruction.derivative
        add(
          unit * own.reduce(0, +), time: times[n], share: moments[n].point.share,
          squared: error / Double(x.shape.imageCount), to: &losses.sums)
      }
      for term in terms.indices { losses.terms[term] /= Double(batch.count) }
      if gradients.count == 3, let ends {
        // γ_1 = γ_0 + softplus(w) follows γ_0, and w by the derivative of softplus.
        let width = Double(value(ends.width, pass))
        let mean = unit / Double(batch.count)
        gradients[1].pointer[0] = Float(mean * (slopes.first + slopes.last))
        gradients[2].pointer[0] = Float(mean * slopes.last * sigmoid(width))
      }
      return losses
    }
    guard let ends, pass.learnsParameters else { return pass.loss(of: output, evaluate: losses) }
    return pass.loss(
      of: output, read(ends.first, pass), read(ends.width, pass), evaluate: losses)
  }

  /// ‖ε − ε̂‖², and `factor` (ε̂ − ε) as the gradient.
  private func squaredError(
    _ noise: UnsafeMutableBufferPointer<Float>, _ predicted: UnsafeMutableBufferPointer<Float>,
    _ gradient: UnsafeMutableBufferPointer<Float>?, factor: Double
  ) -> Double {
    var sum = 0.0
    for i in noise.indices {
      let error = Double(predicted[i]) - Double(noise[i])
      sum += error * error
      gradient?[i] = Float(factor * error)
    }
    return sum
  }

  /// ∂L_diffusion/∂γ_0 = −½ E‖ε − ε̂‖² at γ_0 and ∂L_diffusion/∂γ_1 = ½ E‖ε − ε̂‖² at γ_1, summed over the
  /// images: in continuous time the term is ½ ∫ E‖ε − ε̂‖² dγ between the two (Leibniz), for a network that
  /// is told γ.
  ///
  /// Sixteenths of the images, chosen evenly over the whole batch, are asked and count 16 times. Nothing of
  /// it is recorded.
  private func endSlopes(
    _ schedule: GammaSchedule, _ batch: Batch, _ conditions: [Condition], _ draws: Draws,
    _ pass: Pass
  ) -> (first: Double, last: Double) {
    guard ends != nil, pass.learnsParameters else { return (0, 0) }
    let chosen = (0..<batch.count).compactMap { n -> (image: Int, isLast: Bool)? in
      let place = draws.spread(.scheduleEnd, image: n, of: batch.count)
      return place < 2 * Self.endShare ? (n, place >= Self.endShare) : nil
    }
    guard !chosen.isEmpty else { return (0, 0) }
    let shape = Shape(
      chosen.count, batch.images.shape.h, batch.images.shape.w, batch.images.shape.c)
    let (z, noise) = (Tensor(shape, in: pass.pool), Tensor(shape, in: pass.pool))
    let gammas = chosen.map { $0.isLast ? schedule.last : schedule.first }
    for (place, (n, _)) in chosen.enumerated() {
      draws.stream(.noise, image: n, index: Noise.end).fillNormal(noise.image(place))
      diffuse(
        batch.images.image(n), noise.image(place), gamma: gammas[place], into: z.image(place))
    }
    let output = predictedNoise(
      z, gammas, conditions.isEmpty ? [] : chosen.map { conditions[$0.image] },
      pass.withoutGradient()
    ).value
    var slopes = (first: 0.0, last: 0.0)
    for (place, (_, isLast)) in chosen.enumerated() {
      let error = squaredError(noise.image(place), output.image(place), nil, factor: 0)
      if isLast {
        slopes.last += 0.5 * error / Self.endShare
      } else {
        slopes.first -= 0.5 * error / Self.endShare
      }
    }
    return slopes
  }

  /// Adds what is known of an image to the vectors of `sums`.
  private func add(
    _ loss: Double, time: Double, share: Double, squared error: Double, to sums: inout [[Double]]
  ) {
    let bin = min(Self.bins - 1, Int(time * Double(Self.bins)))
    sums[0][bin] += loss
    sums[1][bin] += 1
    guard learning == .monotone else { return }
    let part = GammaLosses.part(share)
    sums[2][part] += error * error
    sums[3][part] += 1
  }

  /// The time of each image, in thousandths.
  public func choices(_ draws: Draws, count: Int) -> [String: [Int]] {
    let times = (0..<count).map { draws.spread(.timestep, image: $0, of: count) }
    return ["t_in_thousandths": times.map { Int($0 * 1000) }]
  }

  /// What the loss has been at each part of the schedule, where its interior is learned.
  public var state: [String: [Double]] {
    get {
      guard learning == .monotone else { return [:] }
      return ["gamma_losses": losses.squares, "gamma_visits": losses.visits]
    }
    set {
      guard learning == .monotone else {
        precondition(newValue.isEmpty, "Without a learned interior there is no state.")
        return
      }
      guard let squares = newValue["gamma_losses"], let visits = newValue["gamma_visits"]
      else { preconditionFailure("The names of a state are compared first.") }
      losses = GammaLosses(squares: squares, visits: visits)
    }
  }

  /// Takes in what the loss was at each part of the schedule.
  public mutating func absorb(_ sums: [[Double]]) {
    guard learning == .monotone else { return }
    losses.absorb(sums[2], counts: sums[3])
  }
}
