// The optimizer: one fused update of weights, moments and average.

import Foundation
import Tensors

extension OperationProfile.Kind {
  /// Clipping, Adam, and the moving average.
  public static let optimizer = Self("optimizer")
}

/// The constants of Adam and of the moving average of the weights.
public struct AdamSettings: Equatable, Sendable {
  /// The decay of the first moment, β₁.
  public var beta1 = 0.9
  /// The decay of the second moment, β₂.
  public var beta2 = 0.999
  /// What is added to the root of the second moment, ε.
  public var epsilon = 1e-8
  /// The decay of the moving average of the weights; it has no warm-up.
  public var emaDecay = 0.9999

  /// The usual constants, those of Ho et al. 2020.
  public init() {}
}

/// Adam (Kingma & Ba 2015, algorithm 1) and the moving average, on the parts that a rank owns.
///
/// For step t and gradient g, with ε where PyTorch has it:
///
///     m ← β₁ m + (1 − β₁) g                 v ← β₂ v + (1 − β₂) g²
///     w ← w − η · m/(1 − β₁ᵗ) / (√v/√(1 − β₂ᵗ) + ε)
///     a ← d a + (1 − d) w
///
/// The factors that depend on t are computed in Double. Each element goes through the same
/// operations wherever it lies, so that the result does not depend on the partition.
public final class Adam {
  /// The constants.
  public let settings: AdamSettings
  /// The number of steps taken, t.
  public private(set) var steps = 0
  /// The running mean of the gradient, m.
  public let first: OwnedBuffer
  /// The running mean of the gradient's squares, v.
  public let second: OwnedBuffer
  /// The moving average of the weights, a.
  public let ema: OwnedBuffer

  /// The optimizer before its first step: moments of zero, an average equal to the weights.
  ///
  /// - Parameters:
  ///   - settings: The constants.
  ///   - weights: The whole parameter buffer.
  ///   - partition: Who owns what.
  ///   - rank: This rank's number in the partition.
  public init(
    settings: AdamSettings, weights: AlignedFloats, partition: ParameterPartition, rank: Int
  ) {
    self.settings = settings
    first = OwnedBuffer(partition: partition, rank: rank)
    second = OwnedBuffer(partition: partition, rank: rank)
    ema = OwnedBuffer(partition: partition, rank: rank)
    ema.copy(from: weights)
  }

  /// Continues a run whose moments and average have been put into place.
  ///
  /// - Parameter steps: The number of steps that the run has taken.
  public func resume(afterSteps steps: Int) {
    precondition(steps >= 0, "A number of steps must not be negative.")
    self.steps = steps
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
    return AdamStep(adam: self, learningRate: learningRate, gradientScale: gradientScale)
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
  private let gradientScale: Float
  private let firstRate: Float
  private let secondDecay: Float
  private let secondRate: Float
  private let stepSize: Float
  private let inverseRootCorrection: Float
  private let epsilon: Float
  private let emaRate: Float

  init(adam: Adam, learningRate: Double, gradientScale: Double) {
    let settings = adam.settings
    let t = Double(adam.steps)
    first = adam.first
    second = adam.second
    ema = adam.ema
    self.gradientScale = Float(gradientScale)
    firstRate = Float(1 - settings.beta1)
    secondDecay = Float(settings.beta2)
    secondRate = Float(1 - settings.beta2)
    stepSize = Float(learningRate / (1 - pow(settings.beta1, t)))
    inverseRootCorrection = Float(1 / (1 - pow(settings.beta2, t)).squareRoot())
    epsilon = Float(settings.epsilon)
    emaRate = Float(1 - settings.emaDecay)
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
    // Whole vectors, so that every element stays in its lane.
    let (begin, end) = (cut(owned.count, piece, pieces), cut(owned.count, piece + 1, pieces))
    let range = owned.lowerBound + begin..<owned.lowerBound + end
    precondition(
      weights.count == first.partition.count && gradient.count == weights.count,
      "Weights and gradient must have the length of the partition.")
    guard !range.isEmpty else { return }
    defer { withExtendedLifetime((self, weights, gradient)) {} }
    let w = weights.elements.baseAddress! + range.lowerBound
    let g = UnsafePointer(gradient.elements.baseAddress!) + range.lowerBound
    let m = first[bucket].baseAddress! + begin
    let v = second[bucket].baseAddress! + begin
    let a = ema[bucket].baseAddress! + begin
    let whole = range.count & ~15
    var i = 0
    while i < whole {
      var values = State(w: load(w, i), m: load(m, i), v: load(v, i), a: load(a, i))
      update(&values, g: load(g, i))
      store(values.w, w, i)
      store(values.m, m, i)
      store(values.v, v, i)
      store(values.a, a, i)
      i += 16
    }
    // The last few go through the same vectors, for the same bits.
    let rest = range.count - whole
    guard rest > 0 else { return }
    var values = State(w: Vector(), m: Vector(), v: Vector(), a: Vector())
    var gradients = Vector()
    for lane in 0..<rest {
      values.w[lane] = w[i + lane]
      values.m[lane] = m[i + lane]
      values.v[lane] = v[i + lane]
      values.a[lane] = a[i + lane]
      gradients[lane] = g[i + lane]
    }
    update(&values, g: gradients)
    for lane in 0..<rest {
      w[i + lane] = values.w[lane]
      m[i + lane] = values.m[lane]
      v[i + lane] = values.v[lane]
      a[i + lane] = values.a[lane]
    }
  }

  /// Where a piece begins: at a whole vector.
  private func cut(_ count: Int, _ piece: Int, _ pieces: Int) -> Int {
    piece == pieces ? count : count * piece / pieces & ~15
  }

  /// Sixteen weights, with their moments and average.
  private struct State {
    var w: Vector
    var m: Vector
    var v: Vector
    var a: Vector
  }

  @inline(__always)
  private func update(_ x: inout State, g raw: Vector) {
    let g = raw * gradientScale
    x.m += (g - x.m) * firstRate
    x.v = x.v * secondDecay + g * g * secondRate
    x.w -= x.m * stepSize / (x.v.squareRoot() * inverseRootCorrection + epsilon)
    x.a += (x.w - x.a) * emaRate
  }

  @inline(__always)
  private func load(_ pointer: UnsafePointer<Float>, _ i: Int) -> Vector {
    UnsafeRawPointer(pointer + i).loadUnaligned(as: Vector.self)
  }

  @inline(__always)
  private func store(_ value: Vector, _ pointer: UnsafeMutablePointer<Float>, _ i: Int) {
    UnsafeMutableRawPointer(pointer + i).storeBytes(of: value, as: Vector.self)
  }
}
