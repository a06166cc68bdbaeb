// Whole buffers from the ranks' parts, and back: for checkpoints, sampling and resuming.

import MPI
import Tensors

extension GradientExchange {
  /// Collects the parts of all ranks on one, which needs memory for one bucket.
  ///
  /// - Parameters:
  ///   - owned: This rank's parts.
  ///   - root: The rank that gets the whole.
  ///   - body: Called on the root with the elements of each bucket, in the order of the parameters; they are
  ///     valid until it returns.
  /// - Throws: `MPIError.call`.
  public func gather(
    _ owned: OwnedBuffer, on root: Int = 0, _ body: (UnsafeBufferPointer<Float>) -> Void
  ) throws(MPIError) {
    requireMatch(owned)
    defer { withExtendedLifetime(owned) {} }
    let isRoot = communicator.rank == root
    let room = AlignedFloats(
      count: isDivided && isRoot ? min(partition.bucketLength, partition.count) : 0)
    for bucket in 0..<partition.bucketCount {
      let part = UnsafeBufferPointer(owned[bucket])
      if isDivided {
        let whole = UnsafeMutableBufferPointer(
          rebasing: room.elements.prefix(isRoot ? partition.bucket(bucket).count : 0))
        try hierarchy.owners.gather(
          part, into: whole, counts: partCounts(ofBucket: bucket),
          root: hierarchy.owner(ofRank: root))
        if isRoot { body(UnsafeBufferPointer(whole)) }
      } else if isRoot {
        body(part)
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
    requireMatch(owned)
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
    requireMatch(owned)
    precondition(
      (whole != nil) == (communicator.rank == root), "The root, and it alone, has the whole.")
    precondition(
      whole.map { $0.count == partition.count } ?? true,
      "The whole buffer must have the length of the parameters.")
    defer { withExtendedLifetime((owned, whole)) {} }
    for bucket in 0..<partition.bucketCount {
      let piece = UnsafeBufferPointer(slice(of: whole?.elements, bucket: bucket))
      if isDivided {
        try hierarchy.owners.scatter(
          piece, into: owned[bucket], counts: partCounts(ofBucket: bucket),
          root: hierarchy.owner(ofRank: root))
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

  /// Traps unless the buffer belongs to this exchange.
  private func requireMatch(_ owned: OwnedBuffer) {
    precondition(
      owned.partition == partition && owned.rank == owner,
      "The owned buffer must have the partition of the exchange.")
  }
}
