// Bad input: one line, the right exit code on all ranks, and nothing half-written.

import Foundation
import HDF5
import Storage
import TestSupport
import Testing

/// Refusals are mostly waiting for mpirun to leave, so many of them run at a time.
@Suite struct RefusalTests {
  /// A wrong call of a program, and what the user must be told.
  struct Case: CustomTestStringConvertible, Sendable {
    let name: String
    var program = Program.dist
    /// The words of the command line; `@name` stands for a file in the test's folder.
    let words: [String]
    let code: Int32
    /// What the line must contain.
    let parts: [String]
    /// The numbers of ranks that it is tried on: without mpirun, and with two.
    var ranks: [Int?] = [nil, 2]
    /// Makes the input in the test's folder.
    var prepare: @Sendable (TemporaryFolder) async throws -> Void = { _ in }

    var testDescription: String { name }
  }

  @Test(arguments: cases) func isRefused(_ bad: Case) async throws {
    try await Self.gate.enter(1) { try await check(bad) }
  }

  /// What keeps the machine from running too many programs at a time.
  static let gate = Gate(width: 8)

  private func check(_ bad: Case) async throws {
    // mpirun passes on what a rank alone would end with.
    let isTriedAlone = bad.ranks.count == 1 || isTried(bad.name, oneOf: 4)
    for ranks in bad.ranks where ranks != nil || isTriedAlone {
      let folder = try TemporaryFolder()
      try await bad.prepare(folder)
      let before = try snapshot(folder.path)
      let words = bad.words.map { $0.replacing("@", with: folder.path + "/") }
      // A rank that has ended with an error lets mpirun end the others, and sleep a second before it looks
      // whether they have.
      let outcome = try await run(
        bad.program, words, ranks: ranks,
        environment: ["OMPI_MCA_odls_base_sigkill_timeout": "0"], in: folder.path)
      #expect(outcome.status == bad.code, "\(outcome)")
      #expect(outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.output.isEmpty, "\(outcome)")
      let line = outcome.errorLines.first ?? ""
      for part in bad.parts { #expect(line.contains(part), "\(part) in: \(outcome)") }
      #expect(!line.contains("NSError") && !line.contains("Error Domain"), "\(outcome)")
      #expect(try snapshot(folder.path) == before, "\(outcome)")
    }
  }

  /// `ddpm-dist train` with the small network's settings into a folder that does not exist.
  static func train(_ options: [String] = [], _ settings: [String] = []) -> [String] {
    ["train", "--run", "@run"] + (options.contains("--steps") ? [] : ["--steps", "2"]) + options
      + SmallRun.words(settings, beside: options)
  }

  @Test func ranksThatDoNotDivideTheShardsAreRefused() async throws {
    let folder = try TemporaryFolder()
    let run = SmallRun(folder.file("run"))
    let fresh = try await run.train(["--steps", "2"], ranks: 3)
    #expect(fresh.status == 64 && fresh.errorLines.count == 1, "\(fresh)")
    #expect(fresh.errors.contains("3 ranks"), "\(fresh)")
    #expect(try folder.names().isEmpty)

    let copy = try await SmallRun.reference.value.copy(to: run.path)
    let before = try snapshot(copy.path)
    let resumed = try await copy.train(["--resume", "--steps", "30"], ranks: 3)
    #expect(resumed.status == 64 && resumed.errorLines.count == 1, "\(resumed)")
    #expect(resumed.errors.contains("1, 2, 4"), "\(resumed)")
    #expect(try snapshot(copy.path) == before)
  }

  @Test(arguments: [
    ["OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "0"],
    ["PMI_SIZE": "2", "PMI_RANK": "0"],
    ["PMI_SIZE": "2"],
  ])
  func aForeignLauncherIsRefused(_ environment: [String: String]) async throws {
    let folder = try TemporaryFolder()
    for (program, words) in [(Program.dist, Self.train()), (.sample, ["--ckpt", "@run"])] {
      let outcome = try await run(
        program, words.map { $0.replacing("@", with: folder.path + "/") },
        environment: environment, in: folder.path)
      #expect(outcome.status == 70 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(outcome.errors.contains("2 processes"), "\(outcome)")
      #expect(outcome.errors.contains("mpirun of Open MPI"), "\(outcome)")
      #expect(try folder.names().isEmpty)
    }
  }

  @Test func otherProcessesOfAForeignLauncherAreSilent() async throws {
    let folder = try TemporaryFolder()
    let outcome = try await run(
      .dist, Self.train(), environment: ["PMI_SIZE": "2", "PMI_RANK": "1"], in: folder.path)
    #expect(outcome.status == 70 && outcome.errors.isEmpty, "\(outcome)")
    #expect(try folder.names().isEmpty)
  }

  /// Weights that are finite, but too large for the arithmetic.
  @Test(arguments: [nil, 2]) func aDivergingRunStops(ranks: Int?) async throws {
    let folder = try TemporaryFolder()
    let run = try await SmallRun.reference.value.copy(to: folder.file("run"))
    try run.forge(20) { checkpoint in
      for i in checkpoint.model.indices { checkpoint.model[i] = 1e30 }
    }
    let before = try [UInt8](contentsOf: run.checkpoint(20))
    let outcome = try await run.train(["--resume", "--steps", "30"], ranks: ranks)
    #expect(outcome.status == 70 && outcome.errorLines.count == 1, "\(outcome)")
    #expect(outcome.errors.contains("step 21 diverged"), "\(outcome)")
    #expect(outcome.errors.contains("loss or gradient are not finite"), "\(outcome)")
    #expect(try run.checkpointNames() == ["step-00000020.h5"])
    #expect(try [UInt8](contentsOf: run.checkpoint(20)) == before)
    // What is needed to compute the step again.
    let state = run.path + "/diverged/step-00000020.h5"
    #expect(try Checkpoint.read(path: state).model.allSatisfy { $0 == 1e30 })
    let replayed = try await Self.replay([state])
    #expect(replayed.status == 0 && replayed.output.hasPrefix("step 21, loss "), "\(replayed)")
    #expect(replayed.output.contains("not finite"), "\(replayed)")

    let sampled = try await Self.sampleRaw(run, folder, ranks)
    #expect(sampled.status == 65 && sampled.errorLines.count == 1, "\(sampled)")
    #expect(sampled.errors.contains("not finite"), "\(sampled)")
    #expect(try folder.names() == ["run"])
  }

  private static func replay(_ words: [String]) async throws -> Outcome {
    try await run(.dist, ["replay"] + words)
  }

  private static func sampleRaw(
    _ checkpoint: SmallRun, _ folder: TemporaryFolder, _ ranks: Int?
  ) async throws -> Outcome {
    try await run(
      .sample, ["--ckpt", checkpoint.path, "--weights", "model", "--count", "8"], ranks: ranks,
      in: folder.path)
  }
}
