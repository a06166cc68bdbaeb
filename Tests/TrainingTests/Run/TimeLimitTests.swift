// Times as users and schedulers write them, and when a job stops for them.

import Foundation
import MPI
import TestSupport
import Testing
import Training

@Suite struct TimeLimitTests {
  @Test func timesAreSlurms() {
    for (text, seconds) in [
      ("90", 5400.0), ("1:30", 90), ("11:50:00", 42_600), ("2-12", 216_000), ("0:05", 5),
      ("1-00:30", 88_200), ("1-02:03:04", 93_784), ("00:00:01", 1),
    ] {
      #expect(TimeLimit.seconds(text) == seconds, "\(text)")
    }
    for text in ["", "0", "x", "1:", ":1", "1:2:3:4", "-1", "1-", "1.5", "0:00", "1e3", "٣"] {
      #expect(TimeLimit.seconds(text) == nil, "\(text)")
    }
  }

  /// Under mpirun there is a second after TERM, and no time after none of the others.
  @Test func onlySomeSignalsLeaveTime() {
    let mpirun = ["OMPI_COMM_WORLD_SIZE": "2"]
    for signal in [SIGUSR1, SIGUSR2] {
      #expect(StopRequest.hasTimeToSave(after: .signal(signal), environment: mpirun))
    }
    for signal in [SIGTERM, SIGINT, SIGHUP] {
      #expect(!StopRequest.hasTimeToSave(after: .signal(signal), environment: mpirun))
      #expect(StopRequest.hasTimeToSave(after: .signal(signal), environment: [:]))
    }
    #expect(StopRequest.hasTimeToSave(after: .timeLimit("x"), environment: mpirun))
    #expect(StopRequest.hasTimeToSave(after: .file("STOP"), environment: mpirun))
  }
}

@RankActor @Suite(.serialized) struct StopRequestRankTests {
  /// A clock of the first rank decides for all: there must be time for two more steps and saves.
  @Test func stepsAndSavesAreKeptTimeFor() throws {
    try RankWorld.run { world throws in
      // Other ranks' clocks are slow; they are not asked.
      nonisolated(unsafe) var now = 0.0
      let request = StopRequest(
        world, file: nil, limits: [TimeLimit(end: 100, source: "a limit", margin: 10)]
      ) { world.rank == 0 ? now : 0 }
      var steps = 0
      while try request.reason() == nil {
        // Steps take 5 seconds, and one save took 7.
        now += 5
        steps += 1
        if steps == 3 {
          now += 7
          request.noteSave(7)
        }
        try #require(steps < 100)
      }
      // 5 n + 7 + 2 (5 + 7) + 10 > 100 for n = 12.
      #expect(steps == 12)
      #expect(try request.reason() == .timeLimit("a limit"))
    }
  }

  @Test func aFileIsFollowedAndTakenBack() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("STOP")
    try RankWorld.run { world throws in
      nonisolated(unsafe) var now = 0.0
      let request = StopRequest(world, file: path, limits: []) { now }
      #expect(try request.reason() == nil)
      if world.rank == 0 { try folder.write([], to: "STOP") }
      // It is looked for four times a second.
      now += 0.1
      #expect(try request.reason() == nil)
      now += 0.2
      #expect(try request.reason() == .file(path))
      request.removeFile()
      #expect(!FileManager.default.fileExists(atPath: world.rank == 0 ? path : "/no/such"))
    }
  }
}
