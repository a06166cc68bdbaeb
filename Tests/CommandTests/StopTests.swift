// Jobs that are asked to stop: they keep what they have, say so, and go on to the same bytes.

import Foundation
import Storage
import TestSupport
import Testing

extension CommandTests {
  @Suite struct StopTests {
    let folder = try! TemporaryFolder()

    /// A run of so many steps that it is stopped in the middle, with 20 checkpoints at most.
    private static let steps = 160
    private static let settings = ["checkpoint_every=1000", "average_lengths=[0.1]"]

    /// The run that nobody stops.
    private static let whole = Task {
      let run = SmallRun("\(sharedFolder.path)/unstopped")
      let outcome = try await run.train(
        ["--steps", "\(steps)", "--workers", "1"], settings: settings)
      try #require(outcome.status == 0, "\(outcome)")
      return run
    }

    /// Waits until a run has logged a number of steps.
    @Sendable private static func wait(for steps: Int, of run: SmallRun, _ process: pid_t) async {
      while kill(process, 0) == 0 {
        // A line may be half written.
        let text = try? String(contentsOfFile: "\(run.path)/metrics.jsonl", encoding: .utf8)
        if text?.count(where: { $0 == "\n" }) ?? 0 >= steps { return }
        try? await Task.sleep(for: .milliseconds(5))
      }
    }

    /// Sends a signal to a process, or to one of the ranks that it has started: mpirun has inherited the
    /// signals that the tests' own threads block, and would not forward it.
    @Sendable private static func send(_ signal: Int32, to process: pid_t) {
      let ours = descendants(of: process).filter { number in
        let name = try? String(contentsOfFile: "/proc/\(number)/comm", encoding: .utf8)
        return name?.hasPrefix("ddpm-") ?? false
      }
      if let rank = ours.last { kill(rank, signal) }
    }

    /// USR1, USR2, a file STOP and, without mpirun, TERM and INT: exit code 75, a checkpoint of the step
    /// that is named, and no step done twice when the run goes on.
    @Test(
      arguments: [
        (nil, SIGUSR1), (nil, SIGTERM), (nil, SIGINT), (nil, nil), (2, SIGUSR2), (2, nil),
      ] as [(Int?, Int32?)])
    func aRunStopsAndGoesOn(ranks: Int?, signal: Int32?) async throws {
      let whole = try await Self.whole.value
      let run = SmallRun(folder.file("run"))
      let stopped = try await run.train(
        ["--steps", "\(Self.steps)", "--workers", "1"], settings: Self.settings, ranks: ranks
      ) { process in
        await Self.wait(for: 5, of: run, process)
        if let signal {
          Self.send(signal, to: process)
        } else {
          _ = FileManager.default.createFile(atPath: "\(run.path)/STOP", contents: nil)
        }
      }
      #expect(stopped.status == 75, "\(stopped)")
      let step = try run.metrics().count
      #expect(step >= 5 && step < Self.steps)
      #expect(stopped.errors.contains("saved step \(step); go on with --resume"), "\(stopped)")
      #expect(stopped.errorLines.isEmpty, "\(stopped)")
      #expect(
        try run.checkpointNames() == [String(run.checkpoint(step).split(separator: "/").last!)])
      #expect(!FileManager.default.fileExists(atPath: "\(run.path)/STOP"))
      let resumed = try await run.train(["--resume", "--workers", "2"])
      try #require(resumed.status == 0, "\(resumed)")
      #expect(try run.digest(Self.steps) == whole.digest(Self.steps))
      #expect(try run.metrics().map { $0["step"] } == (1...Self.steps).map { Double($0) })
    }

    /// A limit of time, and Slurm's end of the job.
    @Test func timeIsKept() async throws {
      let small = SmallRun(folder.file("run"))
      let first = try await small.train(
        ["--steps", "100000", "--workers", "1", "--time-limit", "0:04"], settings: Self.settings)
      #expect(first.status == 75 && first.errors.contains("--time-limit 0:04"), "\(first)")
      // Two seconds more than the minute that is kept free, from when the program begins.
      let atOnce = ["bash", "-c", "SLURM_JOB_END_TIME=$(($(date +%s) + 62)) exec \"$@\"", "bash"]
      let second = try await run(
        atOnce + [Program.dist.path, "train", "--run", small.path, "--resume", "--workers", "1"])
      #expect(second.status == 75 && second.errors.contains("Slurm's end of the job"), "\(second)")
      #expect(try small.checkpointNames().count == 2)
    }

    /// A second signal ends at once, as it would without a handler.
    @Test func aSecondSignalEndsAtOnce() async throws {
      let reference = try await SmallRun.reference.value
      let stopped = try await run(
        .sample,
        [
          "--ckpt", reference.path, "--count", "8000", "--batch", "8000", "--workers", "1",
          "--out", "a.h5",
        ], in: folder.path
      ) { process in
        try? await Task.sleep(for: .seconds(1))
        kill(process, SIGINT)
        // Twice at once is one wish.
        kill(process, SIGINT)
        try? await Task.sleep(for: .milliseconds(600))
        kill(process, SIGINT)
      }
      #expect(stopped.status == -SIGINT, "\(stopped)")
    }

    /// Evaluations and samples keep what is done, and go on to the same bytes.
    @Test(arguments: [2]) func otherJobsGoOn(ranks: Int?) async throws {
      let reference = try await SmallRun.reference.value
      func stopped(
        _ program: Program, _ words: [String], until file: String
      ) async throws -> Outcome {
        let path = folder.file(file)
        return try await run(program, words, ranks: ranks, in: folder.path) { process in
          while kill(process, 0) == 0, !FileManager.default.fileExists(atPath: path) {
            try? await Task.sleep(for: .milliseconds(5))
          }
          try? await Task.sleep(for: .milliseconds(300))
          Self.send(SIGUSR1, to: process)
        }
      }
      let samples = [
        "--ckpt", reference.path, "--count", "1000", "--workers", "1", "--out", "a.h5",
      ]
      let drawn = try await stopped(.sample, samples, until: "a.h5.unfinished")
      #expect(drawn.status == 75 && drawn.errors.contains("go on with --resume"), "\(drawn)")
      let again = try await run(.sample, samples + ["--resume"], in: folder.path)
      try #require(again.status == 0, "\(again)")
      #expect(again.errors.contains("Going on"), "\(again)")
      let whole = try await run(
        .sample, samples.dropLast() + ["b.h5"], in: folder.path)
      try #require(whole.status == 0, "\(whole)")
      #expect(try folder.bytes("a.h5") == folder.bytes("b.h5"))

      let evaluation = [
        "evaluate", "--ckpt", reference.path, "--workers", "1", "--method", "neighbours", "--draws",
        "30", "--count", "120", "--output",
      ]
      let measured = try await run(
        .dist, evaluation + ["a.json"], ranks: ranks, in: folder.path
      ) { process in
        try? await Task.sleep(for: .milliseconds(1200))
        Self.send(SIGUSR1, to: process)
      }
      try #require([0, 75].contains(measured.status), "\(measured)")
      if measured.status == 75 {
        #expect(measured.errors.contains("go on with the same command"), "\(measured)")
        #expect(FileManager.default.fileExists(atPath: folder.file("a.json.unfinished")))
      }
      for name in ["a.json", "b.json"] {
        let ended = try await run(.dist, evaluation + [name], in: folder.path)
        try #require(ended.status == 0, "\(ended)")
      }
      #expect(try folder.bytes("a.json") == folder.bytes("b.json"))
    }

    /// A rank that somebody has stopped is named, rank 0 as well, and the job ends.
    @Test(arguments: [0, 2]) func aStoppedRankIsNamed(rank: Int) async throws {
      let run = SmallRun(folder.file("run"))
      let outcome = try await run.train(
        ["--steps", "100000", "--workers", "1"],
        settings: ["checkpoint_every=100000", "hang_timeout=3", "shards=4"], ranks: 4
      ) { process in
        await Self.wait(for: 90, of: run, process)
        let stopped = descendants(of: process).first { number in
          let environment = try? [UInt8](contentsOf: "/proc/\(number)/environ")
          let name = try? String(contentsOfFile: "/proc/\(number)/comm", encoding: .utf8)
          return name?.hasPrefix("ddpm-") == true
            && environment.map {
              String(decoding: $0, as: UTF8.self).contains("OMPI_COMM_WORLD_RANK=\(rank)\0")
            } == true
        }
        if let stopped { kill(stopped, SIGSTOP) }
      }
      #expect(outcome.status == 70 && !outcome.hung, "\(outcome)")
      #expect(outcome.errorLines.count == 1, "\(outcome)")
      #expect(
        outcome.errors.contains(
          "error: rank \(rank) on \(ProcessInfo.processInfo.hostName) has not been heard of"),
        "\(outcome)")
      #expect(outcome.errors.contains("in the phase training, after step "), "\(outcome)")
    }

    /// A job that is stopped as a whole does not hang.
    @Test func aSuspendedJobGoesOn() async throws {
      let run = SmallRun(folder.file("run"))
      let outcome = try await run.train(
        ["--steps", "120", "--workers", "1"],
        settings: ["checkpoint_every=1000", "hang_timeout=2", "shards=4"], ranks: 2
      ) { process in
        await Self.wait(for: 3, of: run, process)
        let all = descendants(of: process)
        for number in all { kill(number, SIGSTOP) }
        try? await Task.sleep(for: .seconds(5))
        for number in all { kill(number, SIGCONT) }
      }
      #expect(outcome.status == 0, "\(outcome)")
    }
  }
}
