// How long the exchange takes between these ranks: measured here, judged by
// Tests/Python/test_hosts.py.

import Foundation
import MPI
import Parallel
import Tensors
import TestSupport
import Testing

/// Where to write what was measured; without it there is nothing to do.
private let output = ProcessInfo.processInfo.environment["DDPM_EXCHANGE_TIMES"]
/// Whether the ranks of a node exchange with each other first.
private let byNode = ProcessInfo.processInfo.environment["DDPM_EXCHANGE_BY_NODE"] != nil

@RankActor @Suite(.serialized, .enabled(if: output != nil)) struct ExchangeTimeRankTests {
  /// One line of the output.
  struct Point: Encodable {
    let ranks: Int
    /// The length of the parameter buffer.
    let parameters: Int
    let bucketBytes: Int
    let levels: Int
    /// Messages that this rank has sent at the last level for one reduce and gather, and their bytes.
    var messages = 0
    var bytes = 0
    /// Adding the gradients, until the last rank has its part.
    var reduceSeconds = 0.0
    /// Spreading the weights, until the last rank has all.
    var gatherSeconds = 0.0
  }

  @Test func timesAreWritten() throws {
    try RankWorld.run { world throws in
      var lines: [String] = []
      // Messages that Open MPI sends over TCP as they are, of one block and of three, and one
      // bucket as the trainer has it, whose parts it announces first.
      let block = ParameterPartition.blockLength * MemoryLayout<Float>.stride
      for (parameters, bucketBytes) in [
        (1 << 18, block * world.size), (1 << 18, 3 * block * world.size),
        (1 << 19, 3 * block * world.size), (1 << 19, 4 << 20),
      ] {
        let point = try measure(parameters: parameters, bucketBytes: bucketBytes, world)
        #expect(point.reduceSeconds > 0 && point.gatherSeconds > 0)
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        lines.append(String(decoding: try encoder.encode(point), as: UTF8.self) + "\n")
      }
      if world.rank == 0 {
        try lines.joined().write(toFile: output!, atomically: false, encoding: .utf8)
      }
    }
  }

  /// The fastest of three exchanges, since other programs only ever make one slower.
  ///
  /// One before them makes connections and buffers.
  private func measure(
    parameters: Int, bucketBytes: Int, _ world: Communicator
  ) throws -> Point {
    let hierarchy = byNode ? try RankHierarchy(nodesOf: world) : RankHierarchy(flat: world)
    let exchange = GradientExchange(hierarchy, count: parameters, bucketBytes: bucketBytes)
    let buffer = AlignedFloats(count: parameters)
    var reduce: [Double] = []
    var gather: [Double] = []
    for _ in 0...3 {
      try reduce.append(slowest(world) { try exchange.reduce(buffer) })
      try gather.append(slowest(world) { try exchange.gather(buffer) })
    }
    // Four times each.
    let (messages, bytes) = (exchange.traffic.last!.messages / 4, exchange.traffic.last!.bytes / 4)
    return Point(
      ranks: world.size, parameters: parameters, bucketBytes: bucketBytes,
      levels: hierarchy.levels, messages: messages, bytes: bytes,
      reduceSeconds: reduce.dropFirst().min()!, gatherSeconds: gather.dropFirst().min()!)
  }

  /// The seconds that the slowest rank took for what all begin at once.
  private func slowest(_ world: Communicator, _ body: () throws -> Void) throws -> Double {
    _ = try world.allGather(0)
    let start = ContinuousClock.now
    try body()
    return try world.allGather((ContinuousClock.now - start) / .seconds(1)).max()!
  }
}
