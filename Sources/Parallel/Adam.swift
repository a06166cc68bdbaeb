// The optimizer: one fused update of weights, moments and averages.

import Foundation
import Tensors

extension OperationProfile.Kind {
  /// Clipping, Adam, and the moving averages.
  public static let optimizer = Self("optimizer")
}

/// The constants of Adam and of the moving averages of the weights.
public struct AdamSettings: Equatable, Sendable {
  /// The decay of the first moment, β₁.
  public var beta1 = 0.9
  /// The decay of the second moment, β₂.
  public var beta2 = 0.999
  /// What is added to the root of the second moment, ε.
  public var epsilon = 1e-8
  /// The decay of the weights themselves, λ.
  public var weightDecay = 0.0
  /// The decay of the moving average of the weights; it has no warm-up.
  public var emaDecay = 0.9999
  /// The power averages of the weights.
  public var averages: [PowerAverage] = []

  /// The usual constants, those of Ho et al. 2020.
  public init() {}
}

/// Adam (Kingma & Ba 2015, algorithm 1) with decoupled weight decay (Loshchilov & Hutter 2019,
/// algorithm 2) and the moving averages, on the parts that a rank owns.
///
/// For step t and gradient g, with ε and λ where PyTorch has them:
///
///     m ← β₁ m + (1 − β₁) g                 v ← β₂ v + (1 − β₂) g²
///     w ← w (1 − η λ) − η · m/(1 − β₁ᵗ) / (√v/√(1 − β₂ᵗ) + ε)
///     a ← d a + (1 − d) w                   b ← β_t b + (1 − β_t) w, β_t of a `PowerAverage`
///
/// λ is 0 for the elements that do not decay. The factors that depend on t are computed in Double.
/// A step that is skipped leaves m, v and w as they are, and averages go on with the w that is there:
/// t is then the number of updates for the moments, and the number of steps for the averages.
/// Each element goes through the same operations wherever it lies, so that the result does not
/// depend on the partition.
public final class Adam {
  /// The constants.
  public let settings: AdamSettings
  /// The number of steps taken, skipped ones included: the t of the averages.
  public private(set) var steps = 0
  /// The number of steps that were not skipped: the t of the moments.
  public private(set) var updates = 0
  /// The running mean of the gradient, m.
  public let first: OwnedBuffer
  /// The running mean of the gradient's squares, v.
  public let second: OwnedBuffer
  /// The moving average of the weights, a.
  public let ema: OwnedBuffer
  /// The power averages of the weights, b, in the order of the settings.
  public let averages: [OwnedBuffer]
  /// The whole parameter buffer, cut where decaying and other elements meet.
  let runs: [DecayRun]

  /// The optimizer before its first step: moments of zero, averages equal to the weights.
  ///
  /// - Parameters:
  ///   - settings: The constants.
  ///   - weights: The whole parameter buffer.
  ///   - partition: Who owns what.
  ///   - rank: This rank's number in the partition.
  ///   - decaying: The elements that weight decay shrinks, in ascending order.
  public init(
    settings: AdamSettings, weights: AlignedFloats, partition: ParameterPartition, rank: Int,
    decaying: [Range<Int>] = []
  ) {
    self.settings = settings
    first = OwnedBuffer(partition: partition, rank: rank)
    second = OwnedBuffer(partition: partition, rank: rank)
    ema = OwnedBuffer(partition: partition, rank: rank)
    averages = settings.averages.map { _ in OwnedBuffer(partition: partition, rank: rank) }
    runs = DecayRun.cut(partition.count, decaying: settings.weightDecay == 0 ? [] : decaying)
    for average in [ema] + averages { average.copy(from: weights) }
  }

  /// Continues a run whose moments and averages have been put into place.
  ///
  /// - Parameters:
  ///   - steps: The number of steps that the run has taken.
  ///   - updates: How many of them were not skipped; nil: all.
  public func resume(afterSteps steps: Int, updates: Int? = nil) {
    let updates = updates ?? steps
    precondition(0...steps ~= updates, "Updates are steps, and not fewer than none.")
    (self.steps, self.updates) = (steps, updates)
  }

  /// Goes back to before the first step.
  ///
  /// - Parameter weights: The whole parameter buffer, with the initial weights.
  public func restart(_ weights: AlignedFloats) {
    (steps, updates) = (0, 0)
    for moment in [first, second] { moment.fill(0) }
    for average in [ema] + averages { average.copy(from: weights) }
  }

  /// Takes a step without an update: the averages alone go on, with the weights that are there.
  ///
  /// - Parameter weights: The whole parameter buffer.
  public func skipStep(_ weights: AlignedFloats) {
    steps += 1
    let powers = settings.averages.map { Float($0.rate(atStep: steps)) }
    for (average, rate) in zip([ema] + averages, [Float(1 - settings.emaDecay)] + powers) {
      average.approach(weights, by: rate)
    }
  }

  /// The factor that limits the norm of a gradient, as PyTorch's `clip_grad_norm_`.
  ///
  /// - Parameters:
  ///   - norm: The gradient's norm.
  ///   - limit: The largest norm that is left alone.
  /// - Returns: min(1, limit / (norm + 10⁻⁶)).
  public static func clipFactor(norm: Double, limit: Double) -> Double {
    min(1, limit / (norm + 1e-6))
  }

  /// Begins the next step.
  ///
  /// - Parameters:
  ///   - learningRate: η.
  ///   - gradientScale: What the gradient is multiplied by: the clip factor.
  /// - Returns: The step, to be applied to every bucket once.
  public func beginStep(learningRate: Double, gradientScale: Double) -> AdamStep {
    steps += 1
    updates += 1
    return AdamStep(adam: self, learningRate: learningRate, gradientScale: gradientScale)
  }
}

/// Elements of the parameter buffer that follow each other and decay alike.
struct DecayRun: Equatable {
  let range: Range<Int>
  let decays: Bool

  /// Cuts a buffer of `count` elements at the ends of the ranges that decay.
  static func cut(_ count: Int, decaying: [Range<Int>]) -> [DecayRun] {
    var runs: [DecayRun] = []
    func add(_ range: Range<Int>, decays: Bool) {
      guard !range.isEmpty else { return }
      if let last = runs.last, last.decays == decays {
        runs[runs.count - 1] = DecayRun(
          range: last.range.lowerBound..<range.upperBound, decays: decays)
      } else {
        runs.append(DecayRun(range: range, decays: decays))
      }
    }
    var end = 0
    for range in decaying {
      precondition(
        range.lowerBound >= end && range.upperBound <= count,
        "What decays must be ascending ranges of the parameter buffer.")
      add(end..<range.lowerBound, decays: false)
      add(range, decays: true)
      end = range.upperBound
    }
    add(end..<count, decays: false)
    return runs
  }
}

/// One step of Adam, which is applied bucket by bucket, from any thread.
public struct AdamStep: Sendable {
  private typealias Vector = SIMD16<Float>

  /// The number of buckets to apply the step to.
  public var bucketCount: Int { first.partition.bucketCount }

  private let first: OwnedBuffer
  private let second: OwnedBuffer
  private let ema: OwnedBuffer
  private let averages: [OwnedBuffer]
  private let runs: [DecayRun]
  private let factors: Factors
  private let averageRates: [Float]

  /// The numbers of the update, each computed in Double.
  private struct Factors {
    let gradientScale: Float
    let firstRate: Float
    let secondDecay: Float
    let secondRate: Float
    let stepSize: Float
    let inverseRootCorrection: Float
    let epsilon: Float
    /// 1 − η λ, or 1 for elements that do not decay.
    var keep: Float
    let emaRate: Float
  }

  init(adam: Adam, learningRate: Double, gradientScale: Double) {
    let settings = adam.settings
    let t = Double(adam.updates)
    first = adam.first
    second = adam.second
    ema = adam.ema
    averages = adam.averages
    runs = adam.runs
    factors = Factors(
      gradientScale: Float(gradientScale), firstRate: Float(1 - settings.beta1),
      secondDecay: Float(settings.beta2), secondRate: Float(1 - settings.beta2),
      stepSize: Float(learningRate / (1 - pow(settings.beta1, t))),
      inverseRootCorrection: Float(1 / (1 - pow(settings.beta2, t)).squareRoot()),
      epsilon: Float(settings.epsilon), keep: Float(1 - learningRate * settings.weightDecay),
      emaRate: Float(1 - settings.emaDecay))
    averageRates = settings.averages.map { Float($0.rate(atStep: adam.steps)) }
  }

  /// Updates this rank's part of a bucket, or one of several pieces of it, in one pass.
  ///
  /// - Parameters:
  ///   - bucket: 0 ..< the partition's bucket count.
  ///   - piece: 0 ..< pieces; several threads may each take one.
  ///   - pieces: The number of pieces.
  ///   - weights: The whole parameter buffer.
  ///   - gradient: The whole gradient, summed in the owned parts.
  public func apply(
    bucket: Int, piece: Int = 0, of pieces: Int = 1, weights: AlignedFloats,
    gradient: AlignedFloats
  ) {
    let owned = first.ranges[bucket]
    precondition(
      weights.count == first.partition.count && gradient.count == weights.count,
      "Weights and gradient must have the length of the partition.")
    let begin = owned.lowerBound + cut(owned.count, piece, pieces)
    let range = begin..<owned.lowerBound + cut(owned.count, piece + 1, pieces)
    guard !range.isEmpty else { return }
    defer { withExtendedLifetime((self, weights, gradient)) {} }
    for run in runs {
      let part = run.range.clamped(to: range)
      guard !part.isEmpty else { continue }
      let offset = part.lowerBound - owned.lowerBound
      func start(_ owned: OwnedBuffer) -> UnsafeMutablePointer<Float> {
        owned[bucket].baseAddress! + offset
      }
      let places = Places(
        w: weights.elements.baseAddress! + part.lowerBound,
        g: UnsafePointer(gradient.elements.baseAddress!) + part.lowerBound,
        m: start(first), v: start(second), a: start(ema))
      var factors = factors
      if !run.decays { factors.keep = 1 }
      let powers = zip(averages, averageRates).map { Power(b: start($0), rate: $1) }
      powers.withUnsafeBufferPointer { Self.update(places, $0, part.count, factors) }
    }
  }

  /// Where a piece begins: at a whole vector.
  private func cut(_ count: Int, _ piece: Int, _ pieces: Int) -> Int {
    piece == pieces ? count : count * piece / pieces & ~15
  }

  /// Where weights, gradient, moments and average of the same elements begin.
  private struct Places {
    let w: UnsafeMutablePointer<Float>
    let g: UnsafePointer<Float>
    let m: UnsafeMutablePointer<Float>
    let v: UnsafeMutablePointer<Float>
    let a: UnsafeMutablePointer<Float>
  }

  /// Where a power average of the same elements begins, and the share of the new weights in it.
  private struct Power {
    let b: UnsafeMutablePointer<Float>
    let rate: Float
  }

  /// The elements that are updated together, few enough to stay in the nearest cache.
  private static let block = 512

  /// Updates elements that decay alike.
  private static func update(
    _ places: Places, _ powers: UnsafeBufferPointer<Power>, _ count: Int, _ factors: Factors
  ) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: block) { roots in
      let roots = roots.baseAddress!
      for start in stride(from: 0, to: count, by: block) {
        let end = min(start + block, count)
        forEachVector(start..<end) { updateMoments(places, $0, lanes: $1, factors) }
        // Square roots of a vector are taken one by one; those of an array, sixteen at a time.
        for i in 0..<end - start { roots[i] = places.v[start + i].squareRoot() }
        forEachVector(start..<end) { i, lanes in
          updateWeights(
            places, powers, i, roots: load(roots + (i - start), lanes), lanes: lanes, factors)
        }
      }
    }
  }

  /// Calls `body` with the first element and the length of each vector; the last few go through the
  /// same operations, for the same bits.
  @inline(__always)
  private static func forEachVector(
    _ elements: Range<Int>, _ body: (_ i: Int, _ lanes: Int) -> Void
  ) {
    var i = elements.lowerBound
    while i + 16 <= elements.upperBound {
      body(i, 16)
      i += 16
    }
    if i < elements.upperBound { body(i, elements.upperBound - i) }
  }

  /// Updates m and v of up to sixteen elements.
  @inline(__always)
  private static func updateMoments(_ places: Places, _ i: Int, lanes: Int, _ factors: Factors) {
    let g = load(places.g + i, lanes) * factors.gradientScale
    let m = load(places.m + i, lanes)
    let v = load(places.v + i, lanes)
    store(m + (g - m) * factors.firstRate, places.m + i, lanes)
    store(v * factors.secondDecay + g * g * factors.secondRate, places.v + i, lanes)
  }

  /// Updates w and the averages of up to sixteen elements.
  @inline(__always)
  private static func updateWeights(
    _ places: Places, _ powers: UnsafeBufferPointer<Power>, _ i: Int, roots: Vector, lanes: Int,
    _ factors: Factors
  ) {
    let m = load(places.m + i, lanes)
    var w = load(places.w + i, lanes)
    var a = load(places.a + i, lanes)
    w =
      w * factors.keep
      - m * factors.stepSize
      / (roots * factors.inverseRootCorrection + factors.epsilon)
    a += (w - a) * factors.emaRate
    store(w, places.w + i, lanes)
    store(a, places.a + i, lanes)
    for power in powers {
      var b = load(power.b + i, lanes)
      b += (w - b) * power.rate
      store(b, power.b + i, lanes)
    }
  }

  /// The first lanes from memory, zeros in the others.
  @inline(__always)
  private static func load(_ pointer: UnsafePointer<Float>, _ lanes: Int) -> Vector {
    if lanes == 16 { return UnsafeRawPointer(pointer).loadUnaligned(as: Vector.self) }
    var vector = Vector()
    for lane in 0..<lanes { vector[lane] = pointer[lane] }
    return vector
  }

  @inline(__always)
  private static func store(_ value: Vector, _ pointer: UnsafeMutablePointer<Float>, _ lanes: Int) {
    if lanes == 16 {
      UnsafeMutableRawPointer(pointer).storeBytes(of: value, as: Vector.self)
    } else {
      for lane in 0..<lanes { pointer[lane] = value[lane] }
    }
  }
}
