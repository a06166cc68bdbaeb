// Every random number has coordinates, from which alone it is computed.

import Foundation

/// The random numbers of one image for one purpose: a function of (seed, purpose, step, shard,
/// position) alone.
///
/// The counter of `Philox` is (block, step, shard, purpose · 2²⁴ + position); block counts the
/// groups of four words within the stream.
public struct RandomStream: Sendable {
  /// What random numbers are drawn for; streams of different purposes never meet.
  public enum Purpose: UInt32, Sendable {
    /// The order of a shard's images; the step is the epoch.
    case order = 1
    /// The timestep of a training image.
    case timestep
    /// The noise ε of a training image.
    case noise
    /// The horizontal flip of a training image.
    case flip
    /// The dropout masks of a training image, layer after layer.
    case dropout
    /// The initial weights of a network; the shard is the index of the tensor.
    case weights
    /// x_T of a sampled image; the shard is the index of the image.
    case start
    /// The noise z of a reverse step; the shard is the index of the image.
    case reverse
    /// An image of a dataset that is drawn: its normals at step 0, its uniform numbers at step 1;
    /// the shard is the index of the image.
    case dataset
    /// What spreads the grey levels of an evaluated image over their bins.
    case dequantization
    /// The direction of a probe of the trace of a Jacobian; the step is the probe.
    case probe
    /// The initial weights of the layers that are told what images show; the shard is the index of the
    /// tensor among them.
    case conditioningWeights
    /// Whether a training image is left without what it shows.
    case conditionDrop
    /// Which of an image's captions is told.
    case caption
    /// The noise of an image's latents; the index is the layer, or tells draws apart.
    case latent
    /// Which pixels of an image are white where its brightness is a probability.
    case binarization
    /// Which training images show the loss at the ends of a noise schedule.
    case scheduleEnd
  }

  /// What no normal of `fillNormal` goes beyond: a uniform number of 32 bits is at least 2⁻³².
  public static let largestNormal = (64 * M_LN2).squareRoot()

  private let philox: Philox
  private let counter: SIMD4<UInt32>

  /// The stream of one image.
  ///
  /// - Parameters:
  ///   - step: The optimizer's step, the epoch or the timestep, below 2³².
  ///   - shard: The shard, below 2³².
  ///   - position: The image's place in its shard, below 2²⁴.
  public init(
    seed: UInt64, purpose: Purpose, step: Int = 0, shard: Int = 0, position: Int = 0
  ) {
    precondition(position >= 0 && position < 1 << 24, "A position is below 2²⁴.")
    philox = Philox(seed: seed)
    counter = SIMD4(
      0, UInt32(step), UInt32(shard), purpose.rawValue << 24 | UInt32(position))
  }

  /// The four words of a block.
  @inline(__always)
  public func words(_ block: Int) -> SIMD4<UInt32> {
    var counter = counter
    counter[0] = UInt32(block)
    return philox.words(at: counter)
  }

  /// The words of sixteen blocks from `block` on; lane i of the j-th vector is word j of block i.
  @inline(__always)
  func words16(_ block: Int)
    -> (SIMD16<UInt32>, SIMD16<UInt32>, SIMD16<UInt32>, SIMD16<UInt32>)
  {
    var counter = counter
    counter[0] = UInt32(block)
    return philox.words16(from: counter)
  }

  /// An integer of 0 ..< `bound`, uniform to within 2⁻⁶⁴ · `bound`, from the first words of a
  /// block.
  public func integer(below bound: Int, block: Int = 0) -> Int {
    precondition(bound > 0, "There is no integer below \(bound).")
    let words = words(block)
    let word = UInt64(words[0]) << 32 | UInt64(words[1])
    return Int(word.multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// A number of [0, 1) on a grid of 2⁻⁵³, from the first words of the stream.
  public func uniform() -> Double {
    let words = words(0)
    return Double((UInt64(words[0]) << 32 | UInt64(words[1])) >> 11) * 0x1p-53
  }

  /// A fair coin, from the first word of the stream.
  public func coin() -> Bool { words(0)[0] >> 31 == 1 }

  /// Fills an array with independent standard normals (Box and Muller 1958), computed in Double.
  public func fillNormal(_ scalars: UnsafeMutableBufferPointer<Float>) {
    let unit = 0x1p-32
    var radius = 0.0
    forEachWord((scalars.count + 1) & ~1) { i, word in
      guard i & 1 == 1 else {
        radius = (-2 * log((Double(word) + 1) * unit)).squareRoot()
        return
      }
      let angle = 2 * Double.pi * unit * Double(word)
      scalars[i - 1] = Float(radius * cos(angle))
      if i < scalars.count { scalars[i] = Float(radius * sin(angle)) }
    }
  }

  /// Fills an array with uniform scalars of the interval [−limit, limit).
  public func fillUniform(_ scalars: UnsafeMutableBufferPointer<Float>, limit: Double) {
    forEachWord(scalars.count) { i, word in
      scalars[i] = Float(limit * (Double(word) * 0x1p-31 - 1))
    }
  }

  /// Numbers uniform in (0, 1), the centres of 2³² intervals.
  public func uniforms(count: Int) -> [Double] {
    [Double](unsafeUninitializedCapacity: count) { numbers, initialized in
      forEachWord(count) { i, word in numbers[i] = (Double(word) + 0.5) * 0x1p-32 }
      initialized = count
    }
  }

  /// Calls `body` with each of the stream's first words, computed sixteen blocks at a time.
  @inline(__always)
  private func forEachWord(_ count: Int, _ body: (_ i: Int, _ word: UInt32) -> Void) {
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 64) { words in
      for start in stride(from: 0, to: count, by: 64) {
        let (w0, w1, w2, w3) = words16(start / 4)
        for block in 0..<16 {
          words[4 * block] = w0[block]
          words[4 * block + 1] = w1[block]
          words[4 * block + 2] = w2[block]
          words[4 * block + 3] = w3[block]
        }
        for i in start..<min(start + 64, count) { body(i, words[i - start]) }
      }
    }
  }

  /// `count` independent signs, 1 or −1, from the bits of the words, lowest first.
  public func signs(count: Int) -> [Double] {
    var signs: [Double] = []
    signs.reserveCapacity(count)
    var words = SIMD4<UInt32>()
    for i in 0..<count {
      if i % 128 == 0 { words = self.words(i / 128) }
      signs.append(words[i / 32 % 4] >> UInt32(i % 32) & 1 == 0 ? 1 : -1)
    }
    return signs
  }

  /// The integers 0 ..< `count` in a random order (Fisher and Yates).
  public func permutation(count: Int) -> [Int] {
    var order = Array(0..<count)
    for i in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(i, integer(below: i + 1, block: i))
    }
    return order
  }
}
