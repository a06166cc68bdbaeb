// The one dealer of images: who computes which, outside training.

import MPI
import Synchronization
import Tensors

/// Images in groups of eight, dealt to ranks and workers.
///
/// A matrix product may round otherwise when it has other extents. So a group is always computed
/// whole, filled up where fewer images are asked for, and an image depends neither on how many
/// others there are nor on where it is computed (decision 0004).
public struct ImageGroups {
  /// The number of images of a group.
  public static let size = 8

  /// The ranks.
  public let communicator: Communicator
  /// The threads of this rank.
  public let workers: Workers

  /// The dealer of some ranks and their workers.
  public init(communicator: Communicator, workers: Workers) {
    self.communicator = communicator
    self.workers = workers
  }

  /// The number of groups that so many images fill, the last one perhaps in part.
  public static func count(of images: Int) -> Int { (images + size - 1) / size }

  /// The groups of a range that a rank computes: one contiguous run.
  ///
  /// - Parameter rank: nil: this one.
  public func share(of groups: Range<Int>, rank: Int? = nil) -> Range<Int> {
    let (rank, ranks) = (rank ?? communicator.rank, communicator.size)
    return groups.lowerBound + groups.count * rank / ranks..<groups.lowerBound + groups.count
      * (rank + 1) / ranks
  }

  /// The number of groups that this rank computes of all that so many images fill.
  public func ownedCount(of images: Int, together: Int? = nil) -> Int {
    ownedCount(of: 0..<Self.count(of: images), together: together)
  }

  /// The number of groups that this rank computes of some.
  public func ownedCount(
    of groups: some RandomAccessCollection<Int>, together: Int? = nil
  ) -> Int {
    rounds(of: groups, together: together).reduce(0) { $0 + share(of: 0..<$1.count).count }
  }

  /// Groups in the rounds in which they are dealt.
  ///
  /// - Parameter together: The images of a round, rounded up to whole groups; nil: all.
  public func rounds<Groups: RandomAccessCollection<Int>>(
    of groups: Groups, together: Int? = nil
  ) -> [Groups.SubSequence] {
    let all = Self.size * groups.count
    let step = max(1, Self.count(of: min(together ?? all, all)))
    return stride(from: 0, to: groups.count, by: step).map {
      groups.dropFirst($0).prefix(step)
    }
  }

  /// Computes something of each image; collective.
  ///
  /// - Parameters:
  ///   - count: The number of images.
  ///   - together: The images that are computed before their results are collected, rounded up to
  ///     whole groups; nil: all.
  ///   - width: The scalars that an image gives.
  ///   - body: Called on some worker of some rank for each group, with the numbers of its eight
  ///     images, of which the last group's may lie beyond `count`; returns the scalars of all eight.
  ///     It may throw a failure, on which all ranks agree.
  /// - Returns: On rank 0 the scalars of all images, in order; empty elsewhere.
  /// - Throws: `AgreedFailure`, `MPIError`.
  public func map<Scalar: MPIScalar>(
    _ count: Int, together: Int? = nil, width: Int,
    _ body: @Sendable (_ images: Range<Int>, BufferPool) throws(Failure) -> [Scalar]
  ) throws -> [Scalar] {
    var scalars: [Scalar] = []
    for round in rounds(of: 0..<Self.count(of: count), together: together) {
      scalars += try compute(round, width: Self.size * width) { (group, pool) throws(Failure) in
        try body(Self.images(of: group), pool)
      }
    }
    return Array(scalars.prefix(count * width))
  }

  /// Computes something of each group as a whole, a sum over its images for example; collective.
  ///
  /// The last group may hold fewer images. It is computed with exactly these, so what it gives
  /// depends on `count`, but never on ranks and workers.
  ///
  /// - Parameters:
  ///   - count: The number of images.
  ///   - width: The scalars that a group gives.
  ///   - body: Called on some worker of some rank for each group, with the numbers of its images. It
  ///     may throw a failure, on which all ranks agree.
  /// - Returns: On rank 0 the scalars of all groups, in order; empty elsewhere.
  /// - Throws: `AgreedFailure`, `MPIError`.
  public func mapGroups<Scalar: MPIScalar>(
    of count: Int, width: Int,
    _ body: @Sendable (_ images: Range<Int>, BufferPool) throws(Failure) -> [Scalar]
  ) throws -> [Scalar] {
    try compute(0..<Self.count(of: count), width: width) { (group, pool) throws(Failure) in
      try body(Self.images(of: group).clamped(to: 0..<count), pool)
    }
  }

  /// The images of a group.
  public static func images(of group: Int) -> Range<Int> { group * size..<(group + 1) * size }

  /// Computes something of some groups, one round; collective.
  ///
  /// - Parameters:
  ///   - groups: The numbers of the groups; each rank computes a contiguous run of them.
  ///   - width: The scalars that a group gives.
  ///   - body: Called on some worker of some rank for each group. It may throw a failure, on which all
  ///     ranks agree.
  /// - Returns: On rank 0 the scalars of all groups, in order; empty elsewhere.
  /// - Throws: `AgreedFailure`, `MPIError`.
  public func compute<Scalar: MPIScalar>(
    _ groups: some RandomAccessCollection<Int>, width: Int,
    _ body: @Sendable (_ group: Int, BufferPool) throws(Failure) -> [Scalar]
  ) throws -> [Scalar] {
    let numbers = Array(groups)
    let places = 0..<numbers.count
    let mine = share(of: places)
    let results = Mutex([[Scalar]](repeating: [], count: mine.count))
    let failure = Mutex<Failure?>(nil)
    workers.forEach(mine) { place, pool in
      guard failure.withLock({ $0 == nil }) else { return }
      do throws(Failure) {
        let scalars = try body(numbers[place], pool)
        precondition(scalars.count == width, "A group is computed whole.")
        results.withLock { $0[place - mine.lowerBound] = scalars }
      } catch {
        failure.withLock { $0 = $0 ?? error }
      }
    }
    if let agreed = try communicator.agree(failure.withLock { $0 }) { throw agreed }
    return try gather(
      Array(results.withLock { $0 }.joined()),
      counts: (0..<communicator.size).map { share(of: places, rank: $0).count * width })
  }

  /// The scalars of all ranks on rank 0; empty elsewhere.
  private func gather<Scalar: MPIScalar>(
    _ scalars: [Scalar], counts: [Int]
  ) throws(MPIError) -> [Scalar] {
    let isFirst = communicator.rank == 0
    var all = [Scalar](repeating: .zero, count: isFirst ? counts.reduce(0, +) : 0)
    try all.withUnsafeMutableBufferPointer { (all) throws(MPIError) in
      try scalars.withUnsafeBufferPointer { (part) throws(MPIError) in
        try communicator.gather(part, into: all, counts: counts, root: 0)
      }
    }
    return all
  }
}
