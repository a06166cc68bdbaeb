// How t is drawn: evenly over a batch, by importance, and one for good outside training.

import Diffusion
import Foundation
import Layers
import Models
import Tensors
import TestSupport
import Testing

@Suite struct TimestepTests {
  private let pool = BufferPool()
  private let dot = ImageShape(height: 1, width: 1, channels: 1)

  // MARK: Low discrepancy

  /// The numbers of a whole batch, in the order of its images.
  private func numbers(_ images: Int, shards: Int, step: Int) -> [Double] {
    (0..<shards).flatMap { shard in
      let draws = Draws(seed: 5, step: step, shard: shard, of: shards)
      return (0..<images / shards).map {
        draws.spread(.timestep, image: $0, of: images / shards)
      }
    }
  }

  @Test func aBatchIsTheSameOverAnyShards() {
    for step in 0..<20 {
      let whole = numbers(48, shards: 1, step: step)
      #expect(whole.allSatisfy { (0..<1).contains($0) })
      for shards in [2, 3, 4, 8, 16, 48] {
        #expect(numbers(48, shards: shards, step: step) == whole)
      }
      #expect(numbers(48, shards: 1, step: step + 1) != whole)
    }
  }

  /// Every part of the chain gets its share of the images, rounded down or up.
  @Test(arguments: [1, 7, 48, 128], [2, 8, 10, 1000])
  func everyBinGetsItsShare(images: Int, steps: Int) {
    for step in 0..<40 {
      let t = numbers(images, shards: 1, step: step).map { Int($0 * Double(steps)) }
      #expect(t.allSatisfy { (0..<steps).contains($0) })
      for bins in [1, 2, 4, 8, steps] where steps % bins == 0 {
        let share = Double(images) / Double(bins)
        for bin in 0..<bins {
          let count = Double(t.count { $0 * bins / steps == bin })
          #expect(count >= share.rounded(.down) && count <= share.rounded(.up))
        }
      }
    }
  }

  /// Over the steps of training each image's number is uniform.
  @Test func eachImageByItselfIsUniform() {
    let values = (0..<4000).map { step in
      Draws(seed: 5, step: step, shard: 1, of: 4).spread(.timestep, image: 2, of: 6)
    }
    for tenth in 0..<10 {
      let count = values.count { Int($0 * 10) == tenth }
      // Five standard deviations of 400: 19.
      #expect(abs(count - 400) < 95)
    }
    // Neighbouring steps have nothing to do with each other.
    var covariance = 0.0
    for (a, b) in zip(values, values.dropFirst()) { covariance += (a - 0.5) * (b - 0.5) / 3999 }
    // Five standard deviations, each 1/12 over √4000.
    #expect(abs(covariance) < 0.0066)
  }

  @Test(arguments: [1, 2, 4])
  func trainingDrawsThem(shards: Int) {
    // With 8 steps, the loss by timestep tells each t apart.
    let model = tinyModel(prediction: .epsilon, timesteps: .lowDiscrepancy, images: dot)
    let weights = model.randomWeights()
    for step in 0..<5 {
      let counts = (0..<shards).map { shard in
        losses(
          model, greyImages(24 / shards, dot, in: pool),
          Draws(seed: 5, step: step, shard: shard, of: shards), weights: weights, in: pool
        ).losses.sums[1]
      }
      for t in 0..<8 { #expect(counts.reduce(0) { $0 + $1[t] } == 3) }
      let expected = numbers(24, shards: shards, step: step).prefix(24 / shards)
      for t in 0..<8 {
        #expect(counts[0][t] == Double(expected.count { Int($0 * 8) == t }))
      }
    }
  }

  /// Outside training an image has one t, whatever it is grouped with and however training draws.
  @Test(arguments: DenoisingDiffusion.TimestepSampling.allCases)
  func anImageKeepsItsTOutsideTraining(timesteps: DenoisingDiffusion.TimestepSampling) {
    let model = tinyModel(timesteps: timesteps, images: dot)
    let weights = model.randomWeights()
    func counts(_ images: Range<Int>) -> [Double] {
      losses(
        model, greyImages(images.count, dot, in: pool),
        Draws(seed: 2, firstImage: images.lowerBound), weights: weights, in: pool
      ).losses.sums[1]
    }
    let whole = counts(0..<64)
    // The golden ratio spreads neighbours: each eighth gets its share to within one or two.
    #expect(whole.allSatisfy { abs($0 - 8) <= 2 } && whole.reduce(0, +) == 64)
    let parts = [counts(0..<5), counts(5..<40), counts(40..<64)]
    for t in 0..<8 { #expect(parts.reduce(0) { $0 + $1[t] } == whole[t]) }
  }

  // MARK: Importance

  private let steps = 8
  private func important(
    _ target: DenoisingDiffusion.Target = .simple, weighting: LossWeighting = .none
  ) -> DenoisingDiffusion {
    tinyModel(
      target, prediction: .epsilon, weighting: weighting, timesteps: .importance, images: dot)
  }

  /// A history of `entries` for each t, the squares of step t being all t⁴.
  private func state(entries: Int = 10) -> [String: [Double]] {
    [
      "timestep_losses": (1...steps).flatMap { t in
        (0..<10).map { $0 < entries ? pow(Double(t), 4) : 0 }
      },
      "timestep_visits": Array(repeating: Double(entries), count: steps),
    ]
  }

  /// p_t ∝ √E[L²] with a thousandth left uniform, and the weight 1/(T p_t) of each loss.
  @Test func lossesAreDrawnByTheirSecondMoment() {
    var model = important()
    model.state = state()
    let weights = model.randomWeights()
    // √E[L_t²] = t².
    let total = (1...steps).reduce(0.0) { $0 + Double($1 * $1) }
    let p = (1...steps).map { t in
      0.999 * Double(t * t) / total + 0.001 / Double(steps)
    }
    #expect(abs(p.reduce(0, +) - 1) < 1e-15)
    var counts = [Int](repeating: 0, count: steps)
    let draws = 6000
    for step in 0..<draws {
      let losses = losses(
        model, greyImages(1, dot, in: pool), Draws(seed: 3, step: step, shard: 0, of: 1),
        weights: weights, in: pool
      ).losses
      let t = losses.sums[3].firstIndex(of: 1)!
      #expect(losses.sums[3].reduce(0, +) == 1 && losses.sums[1][t] == 1)
      // What is reported of t is the loss itself; what is learned from, the weighted one.
      let loss = losses.sums[0][t]
      #expect(losses.sums[2][t] == loss * loss)
      #expect(difference(losses.terms[0] * Double(steps) * p[t], loss) < 1e-12)
      counts[t] += 1
    }
    for t in 0..<steps {
      let expected = p[t] * Double(draws)
      let deviation = (expected * (1 - p[t])).squareRoot()
      #expect(abs(Double(counts[t]) - expected) < 4.5 * deviation, "t = \(t + 1): \(counts[t])")
    }
  }

  /// Σ_t p_t w_t L_t is the mean of the L_t: the weighted loss has the expectation of the uniform
  /// one, in fewer images.
  @Test func theExpectedLossStays() {
    let uniform = tinyModel(prediction: .epsilon, images: dot)
    var model = important()
    model.state = state()
    let weights = model.randomWeights()
    func mean(_ model: DenoisingDiffusion) -> (mean: Double, error: Double) {
      var moments = Moments()
      for step in 0..<250 {
        moments.add(
          losses(
            model, greyImages(32, dot, in: pool), Draws(seed: 6, step: step, shard: 0, of: 1),
            weights: weights, in: pool
          ).losses.terms[0])
      }
      return (moments.mean, moments.standardError)
    }
    let (a, b) = (mean(uniform), mean(model))
    let error = (a.error * a.error + b.error * b.error).squareRoot()
    #expect(error < 0.1 * a.mean && abs(a.mean - b.mean) < 4 * error, "\(a) \(b)")
  }

  /// The gradient has the same weight as the loss.
  @Test(arguments: [LossWeighting.none, .minSNR(gamma: 0.5)])
  func gradientsAreWeighted(weighting: LossWeighting) {
    var model = important(weighting: weighting)
    let uniform = tinyModel(prediction: .epsilon, images: dot)
    let weights = model.constantWeights([0.25])
    let place = model.range("conv_out/b").lowerBound
    model.state = state()
    for step in 0..<30 {
      let draws = Draws(seed: 3, step: step, shard: 0, of: 1)
      let ours = losses(model, greyImages(1, dot, in: pool), draws, weights: weights, in: pool)
      let t = ours.losses.sums[3].firstIndex(of: 1)! + 1
      // ∂(o − ε)²/∂o = 2 (o − ε): its square is four times the loss.
      let schedule = uniform.diffusion.schedule
      let own = weighting.weight(at: t, of: schedule, for: .epsilon)
      let weight = ours.losses.terms[0] / ours.losses.sums[0][t - 1]
      let slope = Double(ours.gradient[place])
      let expected = weight * own * 2 * (ours.losses.sums[0][t - 1] / own).squareRoot()
      #expect(abs(abs(slope) - expected) < 1e-5 * expected)
    }
  }

  /// Until every t has its ten entries, t is that of uniform sampling.
  @Test func aShortHistoryIsNotUsed() {
    var model = important()
    let uniform = tinyModel(prediction: .epsilon, images: dot)
    let weights = model.randomWeights()
    func terms(_ model: DenoisingDiffusion) -> [[Double]] {
      (0..<20).map { step in
        losses(
          model, greyImages(4, dot, in: pool), Draws(seed: 1, step: step, shard: 0, of: 1),
          weights: weights, in: pool
        ).losses.terms
      }
    }
    let plain = terms(uniform)
    #expect(terms(model) == plain)
    var history = state()
    history["timestep_visits"]![3] = 9
    model.state = history
    #expect(terms(model) == plain)
    var counts = [Double](repeating: 0, count: steps)
    counts[3] = 1
    model.absorb([[], [], counts, counts])
    #expect(model.state["timestep_visits"]![3] == 10)
    #expect(terms(model) != plain)
  }

  /// The last ten entries of each t, each a mean over the images of a batch.
  @Test func theLastTenAreKept() {
    var model = important()
    #expect(model.state["timestep_losses"] == Array(repeating: 0, count: 10 * steps))
    #expect(model.state["timestep_visits"] == Array(repeating: 0, count: steps))
    for entry in 0..<13 {
      var (sums, counts) = (
        [Double](repeating: 0, count: steps), [Double](repeating: 0, count: steps)
      )
      (sums[2], counts[2]) = (Double(entry) * 4, 4)
      if entry == 5 { (sums[7], counts[7]) = (3, 2) }
      model.absorb([[], [], sums, counts])
    }
    let (squares, visits) = (model.state["timestep_losses"]!, model.state["timestep_visits"]!)
    #expect(visits == [0, 0, 13, 0, 0, 0, 0, 1])
    #expect(squares[20..<30] == [10, 11, 12, 3, 4, 5, 6, 7, 8, 9])
    #expect(squares[70..<80] == [1.5, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    #expect(squares.count { $0 != 0 } == 11)
  }

  /// A model that is given the state of another goes on as it does.
  @Test func theStateIsAllThereIs() {
    var model = important()
    let weights = model.randomWeights()
    func train(_ model: inout DenoisingDiffusion, _ steps: Range<Int>) -> [[Double]] {
      steps.map { step in
        let losses = losses(
          model, greyImages(24, dot, in: pool), Draws(seed: 1, step: step, shard: 0, of: 1),
          weights: weights, in: pool
        ).losses
        model.absorb(losses.sums)
        return losses.terms
      }
    }
    _ = train(&model, 0..<20)
    #expect(model.state["timestep_visits"]!.allSatisfy { $0 >= 10 })
    var other = important()
    other.state = model.state
    #expect(other.state == model.state)
    #expect(train(&other, 20..<25) == train(&model, 20..<25))
    #expect(other.state == model.state)
  }

  /// A checkpoint may hold any numbers.
  @Test(arguments: [-1, 1e300, .nan, .infinity, -.infinity, 3.7, 0x1p53, .leastNonzeroMagnitude])
  func hostileStatesDoNotTrap(number: Double) {
    for (squares, visits) in [(true, false), (false, true), (true, true)] {
      var history = state()
      if squares { history["timestep_losses"]![17] = number }
      if visits { history["timestep_visits"]![4] = number }
      var model = important()
      model.state = history
      let weights = model.randomWeights()
      for step in 0..<30 {
        let losses = losses(
          model, greyImages(8, dot, in: pool), Draws(seed: 1, step: step, shard: 0, of: 1),
          weights: weights, in: pool
        ).losses
        #expect(losses.terms[0].isFinite)
        model.absorb(losses.sums)
      }
      // A loss that is none leaves t uniform as long as it is remembered.
      let none = [Double](repeating: number, count: steps)
      model.absorb([[], [], none, none.map { _ in 1 }])
    }
  }

  @Test func aLossOfZeroEverywhereIsUniform() {
    var model = important()
    var history = state()
    history["timestep_losses"] = Array(repeating: 0, count: 10 * steps)
    model.state = history
    let uniform = tinyModel(prediction: .epsilon, images: dot)
    let weights = model.randomWeights()
    let draws = Draws(seed: 1, step: 3, shard: 0, of: 1)
    let batch = greyImages(16, dot, in: pool)
    #expect(
      losses(model, batch, draws, weights: weights, in: pool).losses.terms
        == losses(uniform, batch, draws, weights: weights, in: pool).losses.terms)
  }

  @Test func onlyImportanceKeepsAHistory() {
    for timesteps in DenoisingDiffusion.TimestepSampling.allCases {
      let model = tinyModel(timesteps: timesteps)
      let isImportance = timesteps == .importance
      #expect(model.state.isEmpty == !isImportance)
      #expect(model.sums.filter(\.isLogged).map(\.count) == [8, 8])
      #expect(model.sums.count == (isImportance ? 4 : 2))
    }
  }
}
