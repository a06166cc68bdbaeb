// Streams that are full, closed or abandoned: a run goes on, and a result that is lost is a
// failure.

import Foundation
import Storage
import TestSupport
import Testing

extension CommandTests {
  @Suite struct StreamTests {
    let folder = try! TemporaryFolder()

    /// Runs a command of the shell in which $P is a program and $F the test's folder.
    private func shell(_ text: String, _ program: Program = .dist) async throws -> Outcome {
      let command = text.replacing("$P", with: "'\(program.path)'")
        .replacing("$F", with: folder.path)
      return try await run(["bash", "-c", command], in: folder.path)
    }

    @Test(
      arguments: [
        // What stderr is: closed, with and without the others; on a full disk; a pipe that nobody
        // reads any more, whose writer tells its exit code in a file.
        "$C 2>&-", "$C <&- >&- 2>&-", "$C 2>/dev/full",
        "{ sleep 0.2; $C 2>&1 >/dev/null; echo $? >code; } | true; sleep 0.2; exit $(cat code)",
      ], [nil, 2])
    func aRunDoesNotNeedItsMessages(_ command: String, ranks: Int?) async throws {
      let reference = try await SmallRun.reference.value
      let small = SmallRun(folder.file("run"))
      let launch = ranks.map { "mpirun -n \($0) --bind-to none " } ?? ""
      let train =
        "\(launch)$P train --run $F/run --steps 20 --workers 1 --set "
        + SmallRun.settings.joined(separator: " ")
      let outcome = try await shell(command.replacing("$C", with: train))
      #expect(outcome.status == 0, "\(outcome)")
      #expect(try small.digest() == reference.digest())
    }

    @Test(arguments: ["2>&-", "2>/dev/full", "<&- >&- 2>&-"])
    func samplesDoNotNeedMessages(_ streams: String) async throws {
      let run = try await SmallRun.reference.value
      let outcome = try await shell(
        "$P --ckpt '\(run.path)' --count 1 --out a.png a.h5 \(streams)", .sample)
      #expect(outcome.status == 0, "\(outcome)")
      #expect(try folder.names() == ["a.h5", "a.png"])
      #expect(try Picture(png: folder.file("a.png")).shape.count > 0)
    }

    @Test(arguments: [
      "--help", "--version", "train --help", "dataset inspect digits",
      "benchmark --parts reading --rounds 1 --json -",
    ])
    func aResultThatIsLostIsAFailure(_ words: String) async throws {
      let full = try await shell("$P \(words) >/dev/full")
      #expect(full.status == 74 && full.errorLines.count == 1, "\(full)")
      #expect(full.errors.contains("standard output: cannot be written: No space"), "\(full)")
      let gone = try await shell(
        "{ sleep 0.2; $P \(words); echo $? >code; } | true; sleep 0.2; exit $(cat code)")
      #expect(gone.status == 0 && gone.errorLines.isEmpty, "\(gone)")
      let closed = try await shell("$P \(words) >&-")
      #expect(closed.status == 0 && closed.errorLines.isEmpty, "\(closed)")
    }

    @Test func namesThatCannotBePrintedCostNoFile() async throws {
      let run = try await SmallRun.reference.value
      let outcome = try await shell(
        "$P --ckpt '\(run.path)' --count 1 --out a.png a.h5 >/dev/full", .sample)
      #expect(outcome.status == 74 && outcome.errorLines.count == 1, "\(outcome)")
      #expect(try folder.names() == ["a.h5", "a.png"])
    }

    @Test(arguments: ["2>&-", "2>/dev/full"])
    func anErrorKeepsItsCodeWithoutItsLine(_ streams: String) async throws {
      let usage = try await shell("$P train --bogus \(streams)")
      #expect(usage.status == 64, "\(usage)")
      let missing = try await shell("$P dataset inspect $F/no.h5 \(streams)")
      #expect(missing.status == 66, "\(missing)")
    }
  }
}
