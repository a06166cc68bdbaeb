// Variational diffusion models: their loss and its slopes, what is learned of the schedule, and the state.

import Diffusion
import Foundation
import Layers
import Models
import Tensors
import TestSupport
import Testing

@Suite struct VariationalDiffusionTests {
  private let pool = BufferPool()
  private let dot = ImageShape(height: 1, width: 1, channels: 1)
  private typealias Learning = VariationalDiffusion.Learning

  /// A state in which each part of the way has been seen, and whose losses fall along it.
  private func state(_ square: (Int) -> Double = { exp(-Double($0) / 12) }) -> [String: [Double]] {
    ["gamma_losses": (0..<64).map(square), "gamma_visits": Array(repeating: 20, count: 64)]
  }

  private func interior(_ state: [String: [Double]]) -> GammaInterior {
    GammaInterior(equalising: state["gamma_losses"]!)
  }

  // MARK: The loss

  /// Validation is training without a gradient: the same bits.
  @Test(arguments: Learning.allCases, [nil, 17] as [Int?])
  func aLossNeedsNoGradient(learning: VariationalDiffusion.Learning, levels: Int?) {
    let model = tinyVariational(
      learning: learning, levels: levels, fourierExponents: levels == nil ? [] : [3, 4])
    let (weights, batch) = (model.randomWeights(), greyImages(5, in: pool))
    for step in 0..<5 {
      let draws = Draws(seed: 1, step: step, shard: 2, of: 4)
      let (training, gradient) = losses(model, batch, draws, weights: weights, in: pool)
      let validation = weights.withUnsafeBufferPointer {
        model.loss(batch, draws, Pass(pool: pool, weights: $0.baseAddress!))
      }
      #expect(training == validation)
      #expect(gradient.allSatisfy { $0.isFinite })
      #expect(model.sums.map(\.count) == training.sums.map(\.count))
      #expect(model.terms.count == training.terms.count)
    }
  }

  /// With a network that says the same of everything, each term by hand, and its gradient.
  @Test(arguments: [0, 4], [nil, 17] as [Int?])
  func theTermsByHand(steps: Int, levels: Int?) {
    let model = tinyVariational(levels: levels, steps: steps)
    let batch = greyImages(6, in: pool)
    let schedule = GammaSchedule(from: -6, to: 4)
    let bound = VariationalTerms(schedule, levels: levels)
    for step in 0..<4 {
      let draws = Draws(seed: 2, step: step, shard: 1, of: 2)
      let (ours, gradient) = losses(
        model, batch, draws, weights: model.constantWeights(0.4), in: pool)
      var terms = [0.0, 0, 0]
      var slope = 0.0
      var bins = [Double](repeating: 0, count: 8)
      for n in 0..<6 {
        let u = draws.spread(.timestep, image: n, of: 6)
        bins[Int(u * 8)] += 1
        let moment = bound.moment(u, steps: steps)
        func noise(_ index: Int) -> [Float] {
          var noise = [Float](repeating: 0, count: 16)
          noise.withUnsafeMutableBufferPointer {
            draws.stream(.noise, image: n, index: index).fillNormal($0)
          }
          return noise
        }
        let x = batch.images.image(n).span
        terms[0] += bound.prior(x: x).nats
        for epsilon in noise(0) {
          let error = 0.4 - Double(epsilon)
          terms[1] += moment.weight * error * error
          slope += 2 * moment.weight * error
        }
        terms[2] += bound.reconstruction(x: x, noise: noise(1).span).nats
      }
      let unit = 1 / (6 * 16 * M_LN2)
      for (a, b) in zip(ours.terms, terms) { #expect(difference(a, b * unit) < 1e-6) }
      #expect(
        difference(Double(gradient[model.range("conv_out/b").lowerBound]), slope * unit) < 1e-5)
      #expect(ours.sums[1] == bins)
      #expect(difference(ours.sums[0].reduce(0, +) / 6, ours.terms.reduce(0, +)) < 1e-12)
    }
  }

  /// Each eighth of the time gets its share of the whole batch, however it is cut into shards.
  @Test(arguments: [1, 2, 4])
  func timesAreSpreadOverTheBatch(shards: Int) {
    let model = tinyVariational(images: dot)
    for step in 0..<5 {
      let counts = (0..<shards).map { shard in
        losses(
          model, greyImages(24 / shards, dot, in: pool),
          Draws(seed: 5, step: step, shard: shard, of: shards),
          weights: model.constantWeights(0), in: pool
        ).losses.sums[1]
      }
      for bin in 0..<8 { #expect(counts.reduce(0) { $0 + $1[bin] } == 3) }
    }
  }

  /// The network is told γ: two schedules between the same ends have the same bound.
  @Test func theBoundIsThatOfTheEnds() {
    var other = tinyVariational(learning: .monotone)
    let plain = tinyVariational()
    other.state = state()
    let weights = other.randomWeights()
    func mean(_ model: VariationalDiffusion, seed: UInt64) -> Moments {
      var moments = Moments()
      let own = Array(weights.prefix(model.parameters.layout.count))
      for step in 0..<400 {
        let losses = own.withUnsafeBufferPointer {
          model.loss(
            greyImages(32, in: pool), Draws(seed: seed, step: step, shard: 0, of: 1),
            Pass(pool: pool, weights: $0.baseAddress!))
        }
        moments.add(losses.terms[1])
      }
      return moments
    }
    let (a, b) = (mean(plain, seed: 3), mean(other, seed: 4))
    let error = hypot(a.standardError, b.standardError)
    #expect(error < 0.01 * a.mean && abs(a.mean - b.mean) < 4 * error, "\(a.mean) \(b.mean)")
    // The other schedule is another one.
    #expect(abs(interior(state()).share(0.5).value - 0.5) > 0.1)
  }

  // MARK: The ends

  /// The gradient of the ends is, in expectation, the derivative of the loss: against differences of the
  /// loss with the same random numbers, whose own noise comes from the network's derivative.
  @Test(arguments: [Learning.endpoints, .monotone], [nil, 17] as [Int?])
  func endsLearnByTheirSlope(learning: VariationalDiffusion.Learning, levels: Int?) {
    var model = tinyVariational(
      from: -3, to: 2, learning: learning, levels: levels, images: dot)
    if learning == .monotone { model.state = state() }
    let weights = model.randomWeights(scale: 0.2)
    let places = ["gamma/first", "gamma/width"].map { model.range($0).lowerBound }
    let batch = greyImages(64, dot, in: pool)
    func loss(_ weights: [Float], _ draws: Draws) -> Double {
      weights.withUnsafeBufferPointer {
        model.loss(batch, draws, Pass(pool: pool, weights: $0.baseAddress!))
      }.terms.reduce(0, +)
    }
    var (differences, slopes) = ([Moments(), Moments()], [Moments(), Moments()])
    for step in 0..<400 {
      let draws = Draws(seed: 7, step: step, shard: 0, of: 1)
      let gradient = losses(model, batch, draws, weights: weights, in: pool).gradient
      for (k, place) in places.enumerated() {
        let h: Float = 1 / 64
        var (above, below) = (weights, weights)
        above[place] += h
        below[place] -= h
        let numeric = (loss(above, draws) - loss(below, draws)) / Double(2 * h)
        slopes[k].add(numeric)
        differences[k].add(Double(gradient[place]) - numeric)
      }
    }
    for (difference, slope) in zip(differences, slopes) {
      #expect(
        abs(difference.mean) < 4 * difference.standardError,
        "\(difference.mean) ± \(difference.standardError) of \(slope.mean)")
      #expect(difference.standardError < 0.1 * abs(slope.mean), "\(difference) \(slope)")
    }
  }

  /// The ends are the weights', whichever are in use.
  @Test func endsAreThoseOfTheWeights() throws {
    var model = tinyVariational(learning: .endpoints)
    var weights = model.randomWeights()
    #expect(weights[model.range("gamma/first").lowerBound] == -6)
    func ends() throws -> [Double] {
      let facts = try model.evaluation(EvaluationOptions()).facts
      return try ["gamma_first", "gamma_last"].map {
        guard case .number(let value) = facts[$0] else { throw CancellationError() }
        return value
      }
    }
    #expect(try ends() == [-6, 4])
    for (first, width) in [(Float(-7.5), Float(12)), (-5, 0.5), (-20, -3)] {
      weights[model.range("gamma/first").lowerBound] = first
      weights[model.range("gamma/width").lowerBound] = width
      weights.withUnsafeBufferPointer { model.adopt(weights: $0) }
      let found = try ends()
      #expect(found[0] == Double(first))
      #expect(abs(found[1] - found[0] - log1p(exp(Double(width)))) < 1e-12)
    }
    let plain = tinyVariational()
    #expect(plain.parameters.layout.count == plain.network.parameters.layout.count)
  }

  /// Ends that are no numbers make losses that are none, and nothing traps.
  @Test(arguments: [Float.nan, .infinity, -.infinity, 1e30, -1e30])
  func hostileEndsDoNotTrap(value: Float) {
    for name in ["gamma/first", "gamma/width"] {
      var model = tinyVariational(learning: .monotone, images: dot)
      model.state = state()
      var weights = model.randomWeights()
      weights[model.range(name).lowerBound] = value
      let batch = greyImages(32, dot, in: pool)
      let losses = losses(
        model, batch, Draws(seed: 1, step: 0, shard: 0, of: 1), weights: weights, in: pool
      ).losses
      model.absorb(losses.sums)
      weights.withUnsafeBufferPointer { model.adopt(weights: $0) }
      if !value.isFinite || value > 0 || name == "gamma/width" {
        #expect(throws: DiffusionError.self) { try model.generation(GenerationOptions()) }
        #expect(throws: DiffusionError.self) { try model.evaluation(EvaluationOptions()) }
      }
    }
  }

  // MARK: The interior

  /// The means of each part are over about the last 128 of its images.
  @Test func lossesOfThePartsFade() {
    var model = tinyVariational(learning: .monotone)
    func absorb(_ square: Double, _ count: Double, part: Int) {
      var (sums, counts) = (
        [Double](repeating: 0, count: 64), [Double](repeating: 0, count: 64)
      )
      (sums[part], counts[part]) = (square * count, count)
      model.absorb([[], [], sums, counts])
    }
    absorb(4, 3, part: 5)
    #expect(model.state["gamma_losses"]![5] == 4 && model.state["gamma_visits"]![5] == 3)
    absorb(8, 1, part: 5)
    #expect(model.state["gamma_losses"]![5] == 5)
    for _ in 0..<100 { absorb(2, 64, part: 5) }
    #expect(abs(model.state["gamma_losses"]![5] - 2) < 1e-12)
    absorb(4, 64, part: 5)
    #expect(abs(model.state["gamma_losses"]![5] - 3) < 1e-12)
    absorb(7, 1000, part: 5)
    #expect(model.state["gamma_losses"]![5] == 7)
    #expect(model.state["gamma_visits"]!.reduce(0, +) == 7468)
    #expect(model.state["gamma_losses"]!.count { $0 != 0 } == 1)
  }

  /// Until each part has ten images γ rises evenly; then as the losses say.
  @Test func aShortHistoryIsNotUsed() {
    let plain = tinyVariational()
    var model = tinyVariational(learning: .monotone)
    let weights = model.randomWeights()
    func terms(_ model: VariationalDiffusion) -> [Double] {
      let own = Array(weights.prefix(model.parameters.layout.count))
      return own.withUnsafeBufferPointer {
        model.loss(
          greyImages(8, in: pool), Draws(seed: 1, step: 3, shard: 0, of: 1),
          Pass(pool: pool, weights: $0.baseAddress!))
      }.terms
    }
    let even = terms(model)
    for (a, b) in zip(even, terms(plain)) { #expect(difference(a, b) < 1e-5) }
    var short = state()
    short["gamma_visits"]![40] = 9
    model.state = short
    #expect(terms(model) == even)
    var counts = [Double](repeating: 0, count: 64)
    counts[40] = 1
    model.absorb([[], [], counts, counts])
    #expect(terms(model) != even)
  }

  /// A model that is given the state of another goes on as it does, and the interior equalises the losses.
  @Test func theStateIsAllThereIs() {
    var model = tinyVariational(learning: .monotone, images: dot)
    let weights = model.constantWeights(0)
    func train(_ model: inout VariationalDiffusion, _ steps: Range<Int>) -> [[Double]] {
      steps.map { step in
        let losses = losses(
          model, greyImages(64, dot, in: pool), Draws(seed: 1, step: step, shard: 0, of: 1),
          weights: weights, in: pool
        ).losses
        model.absorb(losses.sums)
        return losses.terms
      }
    }
    _ = train(&model, 0..<30)
    #expect(model.state["gamma_visits"]!.allSatisfy { $0 >= 10 })
    var other = tinyVariational(learning: .monotone, images: dot)
    other.state = model.state
    #expect(other.state == model.state)
    #expect(train(&other, 30..<35) == train(&model, 30..<35))
    #expect(other.state == model.state)
  }

  @Test(arguments: [-1, 1e300, .nan, .infinity, -.infinity, 3.7, 0x1p53, .leastNonzeroMagnitude])
  func hostileStatesDoNotTrap(number: Double) {
    for name in ["gamma_losses", "gamma_visits"] {
      var hostile = state()
      hostile[name]![17] = number
      var model = tinyVariational(learning: .monotone, images: dot)
      model.state = hostile
      for step in 0..<5 {
        let losses = losses(
          model, greyImages(16, dot, in: pool), Draws(seed: 1, step: step, shard: 0, of: 1),
          weights: model.constantWeights(0.1), in: pool
        ).losses
        #expect(losses.terms[1].isFinite)
        model.absorb(losses.sums)
      }
    }
  }

  @Test func onlyALearnedInteriorKeepsAState() {
    for learning in Learning.allCases {
      let model = tinyVariational(learning: learning)
      #expect(model.state.isEmpty == (learning != .monotone))
      #expect(model.sums.filter(\.isLogged).map(\.count) == [8, 8])
      #expect(model.sums.count == (learning == .monotone ? 4 : 2))
    }
  }

  @Test func whatReadersMustKnowIsStated() {
    let facts = tinyVariational(learning: .endpoints, fourierExponents: [3, 4]).facts
    #expect(facts?.name == "vdm")
    #expect(facts?.texts == ["schedule": "endpoints", "decoder": "level_softmax"])
    #expect(facts?.tables["clock"] == [-6, 4] && facts?.tables["steps"] == [0])
    #expect(facts?.tables["fourier_exponents"] == [3, 4])
    #expect(tinyVariational(levels: nil).facts?.texts["decoder"] == "normal")
  }
}
