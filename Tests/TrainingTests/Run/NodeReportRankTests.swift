// What the ranks of a node find out about it.

import Foundation
import MPI
import TestSupport
import Testing
import Training

@RankActor @Suite(.serialized) struct NodeReportRankTests {
  @Test func oneLineDescribesTheNode() throws {
    try RankWorld.run { world throws in
      let report = try NodeReport(communicator: world, requested: 2)
      #expect(report.workers == 2)
      #expect(report.lines.count == 1)
      let ranks = world.size == 1 ? "1 rank," : "\(world.size) ranks,"
      #expect(report.lines.first?.contains(": \(ranks) ") == true)
      #expect(report.lines.first?.hasSuffix(", \(2 * world.size) workers") == true)
    }
  }

  @Test func theCoresAreShared() throws {
    try RankWorld.run { world throws in
      let report = try NodeReport(communicator: world, requested: nil)
      let alone = try NodeReport(communicator: world.alone(), requested: nil)
      #expect(report.workers >= 1 && report.workers <= alone.workers)
      #expect(alone.workers <= ProcessInfo.processInfo.processorCount)
      #expect(alone.warnings == [])
      #expect(alone.lines.first?.contains(": 1 rank, ") == true)
    }
  }

  @Test func tooManyWorkersAreWarnedOf() throws {
    try RankWorld.run { world throws in
      let report = try NodeReport(communicator: world, requested: 1000)
      #expect(report.workers == 1000)
      #expect(report.warnings.count == 1)
      #expect(report.warnings.first?.contains("runs \(1000 * world.size) workers on ") == true)
    }
  }
}
