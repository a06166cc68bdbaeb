// What the exchange of a step costs on any number of ranks: the model of docs/scaling.md.

import Parallel

/// What one message and one byte cost.
public struct LinkCost: Codable, Equatable, Sendable {
  /// Seconds of a message, however short: α.
  public let alpha: Double
  /// Seconds of a byte: β.
  public let beta: Double

  /// A cost.
  public init(alpha: Double, beta: Double) { (self.alpha, self.beta) = (alpha, beta) }

  /// That of a link of a rate in 10⁹ bit/s over TCP, which carries 1448 of the 1538 bytes of a packet.
  ///
  /// - Parameters:
  ///   - alpha: Seconds of a message.
  ///   - gigabits: The rate of the link, as its vendor gives it.
  public init(alpha: Double, gigabits: Double) {
    self.init(alpha: alpha, beta: 8e-9 / (gigabits * 1448 / 1538))
  }

  /// What docs/scaling.md assumes where nothing is measured: 20 µs and 25 Gbit/s.
  public static let assumed = LinkCost(alpha: 2e-5, gigabits: 25)

  /// The cost that explains collective operations of growing size best; nil of too few sizes.
  ///
  /// - Parameters:
  ///   - points: What each rank sent, and the time.
  ///   - ranks: The ranks of the job, 2 or more.
  ///   - ranksPerNode: Those of a node, which share its link where there are several nodes.
  public init?(fitting points: [MessageCost.Point], ranks: Int, ranksPerNode: Int) {
    guard let cost = MessageCost(fitting: points) else { return nil }
    // A rank sends a message to each other one.
    let others = Double(ranks - 1)
    let shared = Double(ScalingModel.sharers(ranks: ranks, ranksPerNode: ranksPerNode))
    self.init(alpha: cost.alpha / others, beta: cost.beta * others / shared)
  }
}

/// The exchange of a step between R ranks, p of them on each of H nodes, whose link they share.
///
/// Each of its halves, adding the gradients and spreading the weights, costs the busiest rank
///
///     T = α M + β D + α′ M′ + β′ D′
///
/// | | messages M | bytes D of the link | within a node M′ | D′ of a rank |
/// | --- | --- | --- | --- | --- |
/// | one node | (R − 1) · buckets | (R − 1) · w, of a rank | 0 | 0 |
/// | by node (`RankHierarchy`) | (H − 1) · buckets | p (H − 1) · w | (p − 1) · buckets | (p − 1) H · w |
/// | one group | (R − 1) · buckets | p (R − p) · w | 0 | 0 |
///
/// where w is what the rank owns that owns most. Nothing is hidden behind computation: where a worker has one
/// shard, the first half mostly is.
public struct ScalingModel: Equatable, Sendable {
  /// The messages of a half that the busiest rank receives or sends.
  public let messages: Int
  /// The bytes of a half that pass the busiest link.
  public let bytes: Int
  /// The messages of a half that a rank receives or sends within its node before or after those.
  public let nearMessages: Int
  /// Their bytes.
  public let nearBytes: Int

  /// The exchange of a parameter buffer.
  ///
  /// - Parameters:
  ///   - parameters: The length of the buffer, 1 or more.
  ///   - ranks: The number of ranks R, 1 or more.
  ///   - ranksPerNode: How many of them share a node's link, 1 … R. Nodes are groups of their own where this
  ///     is a power of two.
  ///   - bucketBytes: The unit of communication; nil: the trainer's.
  public init(parameters: Int, ranks: Int, ranksPerNode: Int = 1, bucketBytes: Int? = nil) {
    precondition(1...ranks ~= ranksPerNode, "A node has at least one rank and not more than all.")
    let partition = ParameterPartition(
      count: parameters, ranks: ranks,
      bucketBytes: bucketBytes ?? GradientExchange.bucketBytes(ranks: ranks))
    let most = (0..<ranks).map { partition.ownedCount(rank: $0) }.max()!
    let nodes = ranks / ranksPerNode
    guard
      1 < ranksPerNode, ranksPerNode < ranks, ranksPerNode.nonzeroBitCount == 1,
      ranks.isMultiple(of: ranksPerNode)
    else {
      messages = (ranks - 1) * partition.bucketCount
      bytes = Self.sharers(ranks: ranks, ranksPerNode: ranksPerNode) * most * 4
      (nearMessages, nearBytes) = (0, 0)
      return
    }
    messages = (nodes - 1) * partition.bucketCount
    bytes = ranksPerNode * (nodes - 1) * most * 4
    nearMessages = (ranksPerNode - 1) * partition.bucketCount
    nearBytes = (ranksPerNode - 1) * nodes * most * 4
  }

  /// How often the part of a rank passes the busiest link in a half of an exchange in one group.
  static func sharers(ranks: Int, ranksPerNode: Int) -> Int {
    ranks == ranksPerNode ? ranks - 1 : ranksPerNode * (ranks - ranksPerNode)
  }

  /// Seconds of both halves.
  ///
  /// - Parameters:
  ///   - cost: What messages and bytes cost between nodes, or in the one group.
  ///   - within: What they cost within a node; nil where that is not known, and not counted.
  public func seconds(_ cost: LinkCost, within: LinkCost? = nil) -> Double {
    let near = within.map { $0.alpha * Double(nearMessages) + $0.beta * Double(nearBytes) } ?? 0
    return 2 * (cost.alpha * Double(messages) + cost.beta * Double(bytes) + near)
  }
}
