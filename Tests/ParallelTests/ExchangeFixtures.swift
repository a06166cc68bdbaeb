// Numbers whose sum shows the order of the additions.

import Parallel
import Tensors
import TestSupport

/// A reproducible number between about ±1000, of very different sizes.
///
/// - Parameters:
///   - index: The element.
///   - stream: Tells shards and steps apart.
/// - Returns: The same number for the same arguments.
func roughNumber(_ index: Int, stream: Int) -> Float {
  // SplitMix64.
  var z =
    UInt64(bitPattern: Int64(index)) &* 0x9E37_79B9_7F4A_7C15 &+ UInt64(bitPattern: Int64(stream))
    &* 0xD1B5_4A32_D192_ED03
  z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
  z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
  z ^= z >> 31
  let mantissa = Float(Int32(truncatingIfNeeded: z)) / Float(Int32.max)
  return mantissa * [0.001, 0.1, 1, 10, 1000][Int(z >> 40) % 5]
}

/// Sums the gradients of a range of shards in the shard tree, with one worker.
///
/// - Parameters:
///   - shards: The shards.
///   - count: The length of a gradient.
///   - step: Gives each step other gradients.
/// - Returns: The sum and the summed losses.
func gradientSum(
  shards: Range<Int>, count: Int, step: Int = 0
) -> (gradient: AlignedFloats, values: [Double]) {
  let sum = TreeSum(leaves: shards.count, count: count, workers: 1)
  while let work = sum.claim() {
    let shard = shards.lowerBound + work.leaf
    work.buffer.fill(0..<count) { roughNumber($0, stream: 1000 * step + shard) }
    sum.deposit(work, values: [shardLoss(shard, step: step)])
  }
  return sum.result()
}

/// The loss of a shard.
///
/// - Parameters:
///   - shard: The shard.
///   - step: Gives each step other losses.
/// - Returns: The same number for the same arguments.
func shardLoss(_ shard: Int, step: Int = 0) -> Double {
  Double(roughNumber(-1 - step, stream: shard)) * 1.1
}

/// Where two buffers differ in a bit; a message, not two buffers, is what a failing test prints.
///
/// - Parameters:
///   - x: Any floats.
///   - y: Any floats.
/// - Returns: The first element that differs, or the lengths; `nil` if all bits are the same.
func difference(_ x: [Float], _ y: [Float]) -> String? {
  guard x.count == y.count else { return "\(x.count) and \(y.count) elements" }
  guard let i = x.indices.first(where: { x[$0].bitPattern != y[$0].bitPattern }) else {
    return nil
  }
  return "element \(i): \(x[i]) and \(y[i])"
}
