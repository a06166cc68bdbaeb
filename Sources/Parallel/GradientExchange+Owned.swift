// Whole buffers from the ranks' parts, and back: for checkpoints, sampling and resuming.

import MPI
import Tensors

extension GradientExchange {
  /// Collects the parts of all ranks on one.
  ///
  /// - Parameters:
  ///   - owned: This rank's parts.
  ///   - whole: On the root, filled; as long as the parameters. `nil` elsewhere.
  ///   - root: The rank that gets the whole.
  /// - Throws: `MPIError.call`.
  public func gather(
    _ owned: OwnedBuffer, into whole: UnsafeMutableBufferPointer<Float>?, root: Int = 0
  ) throws(MPIError) {
    requireMatch(owned, count: whole?.count, root: root)
    defer { withExtendedLifetime(owned) {} }
    for bucket in 0..<partition.bucketCount {
      let place = slice(of: whole, bucket: bucket)
      if isDivided {
        try communicator.gather(
          UnsafeBufferPointer(owned[bucket]), into: place, counts: partCounts(ofBucket: bucket),
          root: root)
      } else if whole != nil {
        _ = place.update(from: owned[bucket])
      }
    }
  }

  /// Collects the parts of all ranks on all.
  ///
  /// - Parameters:
  ///   - owned: This rank's parts.
  ///   - whole: Filled; as long as the parameters.
  /// - Throws: `MPIError.call`.
  public func gatherEverywhere(
    _ owned: OwnedBuffer, into whole: AlignedFloats
  ) throws(MPIError) {
    requireMatch(owned, count: whole.count, root: communicator.rank)
    owned.copy(to: whole)
    try gather(whole)
  }

  /// Sends each rank its parts of one rank's buffer.
  ///
  /// - Parameters:
  ///   - whole: On the root, as long as the parameters. `nil` elsewhere.
  ///   - owned: Filled with this rank's parts.
  ///   - root: The rank that has the whole.
  /// - Throws: `MPIError.call`.
  public func scatter(
    _ whole: AlignedFloats?, into owned: OwnedBuffer, root: Int = 0
  ) throws(MPIError) {
    requireMatch(owned, count: whole?.count, root: root)
    defer { withExtendedLifetime((owned, whole)) {} }
    for bucket in 0..<partition.bucketCount {
      let piece = UnsafeBufferPointer(slice(of: whole?.elements, bucket: bucket))
      if isDivided {
        try communicator.scatter(
          piece, into: owned[bucket], counts: partCounts(ofBucket: bucket), root: root)
      } else {
        if whole != nil { _ = owned[bucket].update(from: piece) }
        try communicator.broadcast(owned[bucket], from: root)
      }
    }
  }

  /// A bucket of a whole buffer; empty where there is none.
  private func slice(
    of whole: UnsafeMutableBufferPointer<Float>?, bucket: Int
  ) -> UnsafeMutableBufferPointer<Float> {
    guard let whole else { return UnsafeMutableBufferPointer(start: nil, count: 0) }
    return UnsafeMutableBufferPointer(rebasing: whole[partition.bucket(bucket)])
  }

  /// Traps unless the buffers belong to this exchange, and the root alone has the whole one.
  private func requireMatch(_ owned: OwnedBuffer, count: Int?, root: Int) {
    precondition(
      owned.partition == partition && owned.rank == owner,
      "The owned buffer must have the partition of the exchange.")
    precondition(
      (count != nil) == (communicator.rank == root), "The root, and it alone, has the whole.")
    precondition(
      count == nil || count == partition.count,
      "The whole buffer must have the length of the parameters.")
  }
}
