// Variational diffusion models against PyTorch, closed forms, and each other.

import Diffusion
import Foundation
import Testing

@Suite struct VariationalTests {
  private let ends = (first: -13.3, last: 5.0)

  private func terms(_ schedule: GammaSchedule, levels: Int? = nil) -> VariationalTerms {
    VariationalTerms(schedule, levels: levels)
  }

  /// The mean of the diffusion term over u, for E‖ε − ε̂‖² as a function of γ.
  private func diffusionTerm(
    _ schedule: GammaSchedule, steps: Int = 0, _ error: (Double) -> Double
  ) -> Double {
    // Of T steps each is visited once; in continuous time 64 · 500 midpoints.
    let count = steps > 0 ? steps : 32_000
    return (0..<count).reduce(0) { sum, i in
      let moment = terms(schedule).moment((Double(i) + 0.5) / Double(count), steps: steps)
      return sum + moment.weight * error(moment.point.gamma) / Double(count)
    }
  }

  /// E(ε − ε̂)² of one scalar of data N(m, s²) and the best network: s² SNR/(1 + s² SNR).
  private func gaussianError(_ gamma: Double) -> Double {
    let signal = 0.25 * exp(-gamma)
    return signal / (1 + signal)
  }

  /// M of each 64th part of the way, for the same data up to a factor.
  private var gaussianSquares: [Double] {
    (0..<64).map { part in
      (0..<32).reduce(0) { sum, i in
        let share = (Double(part) + (Double(i) + 0.5) / 32) / 64
        let error = gaussianError(ends.first + (ends.last - ends.first) * share)
        return sum + error * error / 32
      }
    }
  }

  private var learned: GammaSchedule {
    GammaSchedule(
      from: ends.first, to: ends.last, interior: GammaInterior(equalising: gaussianSquares))
  }

  // MARK: PyTorch

  @Test func theDecoderIsTorchs() {
    let rows = rows(of: RecordedVariational.decoder, width: 6)
    #expect(rows.count > 100)
    for row in rows {
      let numbers = row.map { Double($0)! }
      let decoder = LevelSoftmax(levels: Int(numbers[0]), gamma: numbers[1])
      let cost = decoder.cost(ofLevel: Int(numbers[2]), noise: numbers[3])
      #expect(difference(cost.nats, numbers[4]) < 1e-10, "\(row)")
      #expect(difference(cost.derivative, numbers[5]) < 1e-9, "\(row)")
    }
  }

  /// The masses of all levels for one z_0 sum to 1.
  @Test(arguments: [2, 17, 256], [-5.0, -2, 1])
  func theMassesSumToOne(levels: Int, gamma: Double) {
    let decoder = LevelSoftmax(levels: levels, gamma: gamma)
    for place in [-1.7, -0.3, 0.0, 0.9] {
      let total = (0..<levels).reduce(0.0) { sum, k in
        // The noise by which level k comes to this place.
        let value = -1 + 2 * Double(k) / Double(levels - 1)
        let noise = (place - value) * exp(-gamma / 2)
        return sum + exp(-decoder.cost(ofLevel: k, noise: noise).nats)
      }
      #expect(abs(total - 1) < 1e-12)
    }
  }

  @Test func thePriorIsTorchs() {
    for row in rows(of: RecordedVariational.prior, width: 3) {
      let numbers = row.map { Double($0)! }
      let prior = terms(GammaSchedule(from: -20, to: numbers[0]))
        .prior(x: RecordedVariational.image.span)
      #expect(difference(prior.nats, numbers[1]) < 1e-13)
      #expect(difference(prior.derivative, numbers[2]) < 1e-13)
    }
  }

  /// A reverse step of the small variance is Kingma's.
  @Test func stepsAreTorchs() throws {
    for row in rows(of: RecordedVariational.steps, width: 7) {
      let numbers = row.map { Double($0)! }
      let chain = try GammaSchedule(from: numbers[0], to: numbers[1]).chain(
        steps: 1, clock: NoiseLevelClock(from: numbers[0], to: numbers[1]))
      var x = [Float(numbers[2])]
      var span = x.mutableSpan
      chain.reverseStep(
        t: 2, x0: [Float(numbers[5])].span, variance: chain.fixedVariance(.fixedSmall, 2),
        noise: [Float(numbers[4])].span, x: &span)
      #expect(difference(Double(x[0]), numbers[6]) < 1e-6, "\(row)")
    }
  }

  // MARK: Closed forms

  /// Data N(0, ¼): ½ log[(1 + s² SNR_0)/(1 + s² SNR_1)] whatever leads from γ_0 to γ_1, and of T steps
  /// what is more.
  @Test func gaussianRows() {
    let linear = GammaSchedule(from: ends.first, to: ends.last)
    #expect(abs(diffusionTerm(linear, gaussianError) - 5.956014634) < 1e-8)
    // At the corners of the learned one the midpoints are less exact.
    #expect(abs(diffusionTerm(learned, gaussianError) - 5.956014634) < 1e-4)
    for (steps, expected) in [(1, 74523.916), (10, 15.727564), (100, 6.485690), (1000, 6.006237)] {
      let value = diffusionTerm(linear, steps: steps, gaussianError)
      #expect(difference(value, expected) < 1e-6, "\(steps): \(value)")
    }
    let bound = terms(linear)
    // Σ x² and Σ ε² of two scalars as in expectation.
    let prior = bound.prior(x: [0.5, -0.5].span).nats / 2
    let decoder = bound.reconstruction(x: [0.5, -0.5].span, noise: [1, -1].span).nats / 2
    #expect(abs(prior - 0.000847855) < 1e-9 && abs(decoder + 5.231061467) < 1e-9)
    #expect(abs(prior + decoder + diffusionTerm(linear, gaussianError) - 0.725801022) < 1e-6)
  }

  /// A fair coin: half the integral of its least squared error over the signal-to-noise ratio is log 2.
  @Test func coinRows() {
    // E tanh(v + √v ξ) by the trapezoidal rule, which is exact to rounding for such integrals.
    func error(_ gamma: Double) -> Double {
      let v = exp(-gamma)
      var sum = 0.0
      for i in -400...400 {
        let xi = Double(i) * 0.03
        sum += tanh(v + v.squareRoot() * xi) * exp(-0.5 * xi * xi)
      }
      return v * (1 - sum * 0.03 / (2 * Double.pi).squareRoot())
    }
    let linear = GammaSchedule(from: -5, to: 5)
    for row in rows(of: RecordedVariational.coin, width: 2) {
      let value = diffusionTerm(linear, steps: Int(row[0])!, error)
      #expect(abs(value - Double(row[1])!) < 1e-6, "\(row)")
    }
    // From SNR e⁻⁵ up; below it are 0.0034 nats of log 2.
    #expect(abs(diffusionTerm(linear, error) - 0.689789506) < 1e-6)
  }

  // MARK: The learned interior

  /// For Gaussian data log(1 + s² e^{−γ}) is linear in t.
  @Test func theInteriorOfGaussianData() {
    for (t, gamma) in [(0.25, -10.321868), (0.5, -7.341403), (0.75, -4.313840)] {
      #expect(abs(learned.point(t).gamma - gamma) < 0.01)
    }
    // One loss of 64 scalars scatters by √(2/d), what ‖ε‖² does, and no more.
    func scatter(_ schedule: GammaSchedule) -> Double {
      let (mean, square) = (0..<32_000).reduce((0.0, 0.0)) { sums, i in
        let moment = terms(schedule).moment((Double(i) + 0.5) / 32_000, steps: 0)
        let loss = moment.weight * gaussianError(moment.point.gamma)
        return (sums.0 + loss / 32_000, sums.1 + loss * loss * (1 + 2.0 / 64) / 32_000)
      }
      return (square / (mean * mean) - 1).squareRoot()
    }
    #expect(abs(scatter(GammaSchedule(from: ends.first, to: ends.last)) - 0.672) < 0.001)
    #expect(abs(scatter(learned) - (2.0 / 64).squareRoot()) < 0.002)
  }

  @Test func anInteriorRisesFromEndToEnd() {
    let squares = (0..<64).map { Double(($0 * 37) % 64) * ($0 < 20 ? 1e-9 : 1) }
    for interior in [.linear, GammaInterior(equalising: squares)] {
      #expect(interior.share(0).value == 0 && interior.share(1).value == 1)
      var before = -1.0
      for i in 0...1000 {
        let t = Double(i) / 1000
        let (value, slope) = interior.share(t)
        #expect(value > before && value <= 1 && slope > 0)
        before = value
        let (low, high) = (max(0, t - 1e-9), min(1, t + 1e-9))
        let numeric = (interior.share(high).value - interior.share(low).value) / (high - low)
        // At a corner the difference has both slopes.
        let slopes = [low, high].map { interior.share($0).slope }
        #expect(numeric > slopes.min()! * 0.999 && numeric < slopes.max()! * 1.001)
      }
    }
    let schedule = GammaSchedule(from: -3, to: 2, interior: GammaInterior(equalising: squares))
    let point = schedule.point(0.4)
    #expect(point.gamma == -3 + 5 * point.share)
    #expect(point.slope == 5 * schedule.interior.share(0.4).slope)
  }

  @Test(arguments: [Double.nan, -1, .infinity, 1e308])
  func hostileSquaresDoNotTrap(value: Double) {
    var squares = [Double](repeating: 1, count: 64)
    squares[7] = value
    let interior = GammaInterior(equalising: squares)
    #expect((interior == .linear) == (value != 1e308))
    for t in [0, 0.3, 0.999, 1] { #expect((0...1).contains(interior.share(t).value)) }
    #expect(GammaInterior(equalising: squares.map { _ in 0 }) == .linear)
  }

  // MARK: Slopes of the ends

  @Test(arguments: [nil, 17, 256] as [Int?])
  func slopesAreThoseOfTheTerms(levels: Int?) {
    let (x, noise): ([Float], [Float]) = ([-1, 0.25, 1, 0.5], [0.3, -1.2, 2.1, -0.4])
    // At −8 levels are far from each other and at −3 they mix.
    for (first, last) in [(-8.0, 5.0), (-3.0, 0.5)] {
      func at(_ shift: (Double, Double)) -> VariationalTerms {
        terms(GammaSchedule(from: first + shift.0, to: last + shift.1), levels: levels)
      }
      let h = 1e-5
      let prior = at((0, 0)).prior(x: x.span)
      let slope = (at((0, h)).prior(x: x.span).nats - at((0, -h)).prior(x: x.span).nats) / (2 * h)
      #expect(difference(prior.derivative, slope) < 1e-8)
      func decoder(_ shift: Double) -> (nats: Double, derivative: Double) {
        at((shift, 0)).reconstruction(x: x.span, noise: noise.span)
      }
      let numeric = (decoder(h).nats - decoder(-h).nats) / (2 * h)
      #expect(difference(decoder(0).derivative, numeric) < 1e-8)
    }
  }

  /// The diffusion term changes by half the error at an end that moves.
  @Test func theDiffusionTermEndsWhereItsEndsAre() {
    let h = 1e-3
    func value(_ first: Double, _ last: Double) -> Double {
      diffusionTerm(GammaSchedule(from: first, to: last), gaussianError)
    }
    let last = (value(-4, 2 + h) - value(-4, 2 - h)) / (2 * h)
    let first = (value(-4 + h, 2) - value(-4 - h, 2)) / (2 * h)
    #expect(abs(last - 0.5 * gaussianError(2)) < 1e-6)
    #expect(abs(first + 0.5 * gaussianError(-4)) < 1e-6)
  }

  // MARK: Its table, and its clock

  @Test func theChainHasTheLevelsOfTheSchedule() throws {
    let clock = NoiseLevelClock(from: -8, to: 4)
    for steps in [1, 7, 1000] {
      let chain = try learned.chain(steps: steps, clock: clock)
      #expect(chain.steps == steps + 1)
      for i in stride(from: 0, through: steps, by: max(1, steps / 20)) {
        let gamma = learned.point(Double(i) / Double(steps)).gamma
        #expect(difference(chain.cumulativeAlpha(i + 1), sigmoid(-gamma), floor: 0) < 1e-12)
        #expect(difference(chain.noiseVariance(i + 1), sigmoid(gamma), floor: 0) < 1e-12)
        #expect(abs(chain.timestep(i + 1) - 1000 * (gamma + 8) / 12) < 1e-8)
      }
      // Between two steps the network is told the level that there is.
      let times = ContinuousTime(chain)
      for t in stride(from: 1, through: Double(chain.steps), by: Double(steps) / 17) {
        let (kept, noise) = times.forwardCoefficients(t)
        let gamma = 2 * log(noise / kept)
        #expect(abs(times.timestep(t) - clock.timestep(gamma)) < 1e-6)
      }
      // Chosen steps keep their levels.
      let chosen = chain.respaced(to: [1, chain.steps])
      #expect(abs(chosen.timestep(2) - chain.timestep(chain.steps)) < 1e-8)
      #expect(!chosen.isRespaced)
    }
  }

  @Test func theFirstLevelIsByTheRule() {
    #expect(abs(GammaSchedule.first(levels: 256) + 13.8551) < 1e-4)
    #expect(abs(GammaSchedule.first(levels: 17) + 8.3178) < 1e-4)
    // A level costs next to nothing there.
    let decoder = LevelSoftmax(levels: 17, gamma: GammaSchedule.first(levels: 17))
    #expect(decoder.cost(ofLevel: 8, noise: 1).nats < 1e-9)
  }

  @Test(arguments: [(Double.nan, 1.0), (-5, .nan), (-5, .infinity), (3, 3), (4, -4), (-800, 5)])
  func hostileEndsAreRefused(first: Double, last: Double) {
    let schedule = GammaSchedule(from: first, to: last)
    #expect(throws: DiffusionError.self) {
      try schedule.chain(steps: 10, clock: NoiseLevelClock(from: -8, to: 5))
    }
    for t in [0.0, 0.5, 1] {
      _ = terms(schedule).moment(t * 0.99, steps: 5)
      _ = terms(schedule, levels: 17).reconstruction(x: [1].span, noise: [0.5].span)
    }
  }
}
