// One order of summation for any number of ranks.

/// The order in which numbers of the shards are added: one fixed binary tree over V leaves.
///
/// Level by level, neighbours are paired, (0, 1), (2, 3), …; an odd one at the end is carried up
/// unpaired. Five shards are added as ((0 + 1) + (2 + 3)) + 4. The tree depends on V alone, never
/// on ranks or workers. An aligned block of 2ᵏ shards is a node of it whenever 2ᵏ divides V, which
/// is why R ranks can share the work: each adds its block, and the blocks' sums are the leaves of
/// the same kind of tree over R.
public struct ShardTree: Equatable, Sendable {
  /// The number of shards, V.
  public let shards: Int

  /// The tree over a number of shards.
  ///
  /// - Parameter shards: V, 1 or more.
  public init(shards: Int) {
    precondition(shards >= 1, "A batch has at least one shard.")
    self.shards = shards
  }

  /// The rank counts that can share the shards, ascending: 1, and each R for which V/R is a power
  /// of two.
  public var validRankCounts: [Int] {
    (1...shards).filter { ranks in
      guard shards.isMultiple(of: ranks) else { return false }
      let block = shards / ranks
      return ranks == 1 || block & (block - 1) == 0
    }
  }

  /// Why a number of ranks cannot share the shards.
  ///
  /// - Parameter ranks: The size of the job, 1 or more.
  /// - Returns: One line for the user, or `nil` if they can.
  public func refusal(ranks: Int) -> String? {
    let valid = validRankCounts
    guard !valid.contains(ranks) else { return nil }
    let list = valid.map(String.init).joined(separator: ", ")
    return "\(ranks) ranks cannot share \(shards) shards evenly: start this run with "
      + (valid.count == 1 ? "\(list) rank." : "one of \(list) ranks.")
  }

  /// The shards of a rank: an aligned block, and a node of the tree.
  ///
  /// - Parameters:
  ///   - rank: 0 ..< ranks.
  ///   - ranks: A valid rank count.
  /// - Returns: The shards that the rank computes.
  public func shards(ofRank rank: Int, ranks: Int) -> Range<Int> {
    precondition(
      validRankCounts.contains(ranks), "\(ranks) ranks cannot share \(shards) shards evenly.")
    precondition(0..<ranks ~= rank, "The rank must be below the number of ranks.")
    let block = shards / ranks
    return (rank * block)..<((rank + 1) * block)
  }

  /// Adds one vector per shard, in the order of the tree.
  ///
  /// - Parameter values: Vectors of one length, one for each of the shards.
  /// - Returns: Their sum.
  public static func sum(_ values: [[Double]]) -> [Double] {
    precondition(!values.isEmpty, "The tree has at least one leaf.")
    precondition(values.allSatisfy { $0.count == values[0].count }, "Vectors have one length.")
    var nodes = values
    additions(leaves: values.count) { left, right in
      for i in nodes[left].indices { nodes[left][i] += nodes[right][i] }
    }
    return nodes[0]
  }

  /// Goes through the additions of the tree, level by level.
  ///
  /// A node stays where its first leaf was, so the sum of all ends at index 0.
  ///
  /// - Parameters:
  ///   - leaves: The number of leaves.
  ///   - add: Adds the node at the second index to the node at the first.
  @inline(__always)
  static func additions(leaves: Int, _ add: (_ left: Int, _ right: Int) -> Void) {
    var span = 1
    while span < leaves {
      var left = 0
      while left + span < leaves {
        add(left, left + span)
        left += 2 * span
      }
      span *= 2
    }
  }
}
