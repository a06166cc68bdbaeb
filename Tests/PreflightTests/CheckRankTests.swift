// What ranks tell of themselves reaches all of them.

import Foundation
import MPI
import Preflight
import TestSupport
import Testing
import Training

@RankActor @Suite(.serialized) struct CheckRankTests {
  @Test func ranksThatWereToldOtherwiseAreNamed() throws {
    try RankWorld.run { world throws in
      let facts = JobFacts(
        ranks: try RankFacts.gathered(
          RunOptions(), words: ["check", "--seed", "\(world.rank % 2)"], world))
      #expect(facts.ranks.map(\.rank) == Array(0..<world.size))
      #expect(facts.nodes.count == 1 && facts.ranks.allSatisfy { $0.node == 0 })
      let finding = Check.all.first { $0.name == "command" }?.judge(facts)
      #expect(finding?.verdict == (world.size > 1 ? .impossible : .good))
      if world.size > 1 { #expect(finding?.measured.contains("rank 1 on ") == true) }
      // One process image on one machine: the rest is equal.
      for name in ["program", "libraries", "processors", "transport"] {
        let finding = Check.all.first { $0.name == name }?.judge(facts)
        #expect(finding?.verdict == .good, "\(name): \(String(describing: finding))")
      }
    }
  }

  @Test func otherConfigurationFilesAreNamed() throws {
    let folder = try TemporaryFolder()
    try RankWorld.run { world throws in
      let path = try folder.write(Array("seed: \(world.rank % 2)\n".utf8), to: "a.yaml")
      var options = RunOptions()
      options.configurationPath = path
      let facts = JobFacts(ranks: try RankFacts.gathered(options, words: ["check"], world))
      let finding = Check.all.first { $0.name == "command" }?.judge(facts)
      #expect(
        finding?.verdict == (world.size > 1 ? .warning : .good), "\(String(describing: finding))")
    }
  }

  /// Written by the first rank, seen by all machines, and gone.
  @Test func aProbeLeavesNothing() throws {
    let folder = try TemporaryFolder()
    try RankWorld.run { world throws in
      let shared = try world.broadcast(folder.path, from: 0)
      let result = try ProbeResult.measure(shared + "/runs/a", world)
      #expect(result.refusal == nil && result.unseenBy == [] && result.folder == shared)
      #expect(result.bytes > 36 && result.seconds > 0)
      if world.rank == 0 { #expect(try folder.names().isEmpty) }
    }
  }

  @Test func aProbeThatCannotBeWrittenIsToldToAll() throws {
    try RankWorld.run { world throws in
      let result = try ProbeResult.measure("/proc/none/run", world)
      #expect(result.refusal?.isEmpty == false && result.exitCode == ExitCode.cannotCreate)
    }
  }
}
