// The groups of ranks that an exchange goes through: those of a node, then one of each node.

import MPI

/// In which groups the ranks of a job exchange, one group after the other.
///
/// Flat, all ranks are one group. With two levels the ranks of a node exchange with each other first, and
/// then each with those of its number on the other nodes: a node then sends 1/n of the messages and of the
/// bytes that its n ranks would send to other nodes by themselves.
///
/// Sums keep their bits, because the ranks of a node are an aligned block of 2ᵏ, a node of `ShardTree`: its
/// sum, then the tree over the nodes, is the tree over all ranks.
///
///     ranks of 2 nodes      first level          second level
///     0 1 2 3 | 4 5 6 7     (0 1 2 3) (4 5 6 7)  (0 4) (1 5) (2 6) (3 7)
public struct RankHierarchy {
  /// All ranks, in the order of their shards.
  public let world: Communicator
  /// This rank's group at each level, the innermost first; the sizes multiply to that of the world.
  let groups: [Communicator]
  /// All ranks, numbered by what they own (`owner(ofRank:)`).
  let owners: Communicator
  /// Why nodes with several ranks make no groups; nil where they do, or there are none.
  public let reason: String?

  private init(
    _ world: Communicator, _ groups: [Communicator], owners: Communicator, reason: String? = nil
  ) {
    (self.world, self.groups, self.owners, self.reason) = (world, groups, owners, reason)
  }

  /// One group of all ranks.
  public init(flat world: Communicator) { self.init(world, [world], owners: world) }

  /// The ranks of each node in groups, then their counterparts on all nodes; collective.
  ///
  /// - Parameters:
  ///   - world: All ranks.
  ///   - ranksPerNode: A power of two that divides their number; ranks r · `ranksPerNode` and those behind
  ///     it share a node. 1, or all of them: one group.
  /// - Throws: `MPIError.call`.
  public init(_ world: Communicator, ranksPerNode: Int) throws(MPIError) {
    precondition(
      ranksPerNode >= 1 && ranksPerNode.nonzeroBitCount == 1
        && world.size.isMultiple(of: ranksPerNode),
      "The ranks of a node are a node of the tree over all ranks.")
    if ranksPerNode == 1 || ranksPerNode == world.size {
      self.init(flat: world)
    } else {
      let groups = [
        try world.split(color: world.rank / ranksPerNode),
        try world.split(color: world.rank % ranksPerNode),
      ]
      let owner = Self.owner(ofRank: world.rank, sizes: groups.map(\.size))
      self.init(world, groups, owners: try world.split(color: 0, key: owner))
    }
  }

  /// The levels of the nodes that this job runs on; collective.
  ///
  /// Two where each node has the same number of ranks, a power of two, and they follow each other; else one.
  ///
  /// - Parameter world: All ranks.
  /// - Throws: `MPIError.call`.
  public init(nodesOf world: Communicator) throws(MPIError) {
    let node = try world.splitByNode()
    let layout = NodeLayout(
      firstRanks: try world.allGather(try node.allReduce(world.rank, .minimum)))
    if layout.ranksPerGroup > 1 {
      try self.init(world, ranksPerNode: layout.ranksPerGroup)
    } else {
      self.init(world, [world], owners: world, reason: layout.reason)
    }
  }

  /// The levels: 1 or 2.
  public var levels: Int { groups.count }

  /// The ranks of each group of the first level; all of them where there is one level.
  public var ranksPerNode: Int { groups[0].size }

  /// The place of a rank among the owners.
  ///
  /// What a group of a level shares is contiguous: its number at the first level is the most significant
  /// digit.
  func owner(ofRank rank: Int) -> Int { Self.owner(ofRank: rank, sizes: groups.map(\.size)) }

  private static func owner(ofRank rank: Int, sizes: [Int]) -> Int {
    var (owner, rest) = (0, rank)
    for size in sizes {
      owner = owner * size + rest % size
      rest /= size
    }
    return owner
  }

  /// What this rank holds before each level and after the last: runs of owners, each inside the one before.
  func runs() -> [Range<Int>] {
    var runs = [0..<world.size]
    for group in groups {
      let (run, width) = (runs.last!, runs.last!.count / group.size)
      let start = run.lowerBound + group.rank * width
      runs.append(start..<start + width)
    }
    return runs
  }
}

/// Where the ranks of a job are, and whether those of a node are a node of the tree over all ranks.
package struct NodeLayout {
  /// The ranks of a group: those of a node, or 1 where nodes make no groups.
  package let ranksPerGroup: Int
  /// Why nodes make no groups, although some have several ranks; nil where there is nothing to say.
  package let reason: String?

  /// - Parameter firstRanks: For each rank, the lowest rank on its node.
  package init(firstRanks: [Int]) {
    let counts = Dictionary(grouping: firstRanks) { $0 }.mapValues(\.count)
    let size = counts[firstRanks[0]]!
    guard counts.count > 1, counts.values.contains(where: { $0 > 1 }) else {
      (ranksPerGroup, reason) = (1, nil)
      return
    }
    guard counts.values.allSatisfy({ $0 == size }) else {
      let (least, most) = (counts.values.min()!, counts.values.max()!)
      (ranksPerGroup, reason) = (1, "nodes have from \(least) to \(most) ranks")
      return
    }
    guard size.nonzeroBitCount == 1 else {
      (ranksPerGroup, reason) = (1, "\(size) ranks a node are no power of two")
      return
    }
    guard firstRanks.indices.allSatisfy({ firstRanks[$0] == $0 / size * size }) else {
      (ranksPerGroup, reason) = (
        1, "ranks of one node do not follow each other (mpirun --map-by slot has them do so)"
      )
      return
    }
    (ranksPerGroup, reason) = (size, nil)
  }
}
