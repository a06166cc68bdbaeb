// Streams that are full, closed or abandoned: every command does its work, and a result that is lost is
// a failure.

import Foundation
import Storage
import TestSupport
import Testing

extension CommandTests {
  @Suite struct StreamTests {
    let folder = try! TemporaryFolder()

    /// Runs a command of the shell in which $P is a program and $F the test's folder.
    private func shell(
      _ text: String, _ program: Program = .dist, in folder: TemporaryFolder? = nil
    ) async throws -> Outcome {
      let folder = folder ?? self.folder
      let command = text.replacing("$P", with: "'\(program.path)'")
        .replacing("$F", with: folder.path)
      return try await run(["bash", "-c", command], in: folder.path)
    }

    /// What the streams of a command are, `$C` being the command.
    enum Streams: String, CaseIterable {
      /// Nothing is open.
      case closed = "$C <&- >&- 2>&-"
      /// Results are written to a full disk.
      case fullOutput = "$C >/dev/full"
      /// Messages are.
      case fullErrors = "$C 2>/dev/full"
      /// Nobody reads any more, from the first byte on; the exit code is told in a file.
      case abandoned =
        "{ sleep 0.2; $C 2>&1; echo $? >$F/code; } | true; c=$(cat $F/code); rm $F/code; exit $c"
    }

    /// The work is done, byte for byte, and no signal ends it.
    @Test(arguments: CommandCall.all)
    func everyCommandDoesItsWork(_ call: CommandCall) async throws {
      let ending = call.output?.endings.first ?? ""
      let words = call.line(to: "$F/out\(ending)").map { word in
        let word = word.replacing("@", with: "$F/")
        return word.contains("$F") ? "\"\(word)\"" : "'\(word)'"
      }
      let told = call.told.map { "printf '\($0)' | " } ?? ""
      let command = "$P " + words.joined(separator: " ")
      let whole = try TemporaryFolder()
      try await CommandCall.prepare(whole)
      let expected = try await shell(told + command, call.program, in: whole)
      try #require(expected.status == 0, "\(expected)")
      let given = try await CommandCall.prepared.value
      let content = try Self.content(whole, since: given)
      await withTaskGroup { group in
        for streams in tried(Streams.allCases, for: call.testDescription) {
          group.addTask {
            do {
              let folder = try TemporaryFolder()
              try await CommandCall.prepare(folder)
              // A program that is told something reads it; where stdin is closed, it ends.
              let line = streams.rawValue.replacing("$C", with: command)
              let outcome = try await shell(
                streams == .abandoned ? line.replacing("$P", with: told + "$P") : told + line,
                call.program, in: folder)
              let isLost = streams == .fullOutput && !expected.output.isEmpty
              #expect(outcome.status == (isLost ? 74 : 0), "\(streams): \(outcome)")
              if isLost {
                #expect(outcome.errorLines.count == 1, "\(outcome)")
                #expect(outcome.errors.contains("standard output: cannot be"), "\(outcome)")
              }
              #expect(try Self.content(folder, since: given) == content, "\(streams): \(outcome)")
            } catch {
              Issue.record(error, "\(streams)")
            }
          }
        }
      }
    }

    /// Everything in a folder, as far as equal calls write equal things.
    ///
    /// - Parameter given: What was there before: of files that are the same still, nothing is computed.
    private static func content(
      _ folder: TemporaryFolder, since given: [String: [UInt8]]
    ) throws -> [String: String] {
      var content: [String: String] = [:]
      for (path, bytes) in try snapshot(folder.path) {
        if given[path] == bytes {
          content[path] = "given"
          continue
        }
        // Its name has the time and the process.
        let name = path.hasSuffix(".ddpm-dist") ? "events" : path
        // Times, dates and paths.
        let told = [
          "jsonl", ".yaml", "out.json", "status.json", ".html", "metrics.csv", "events",
          "out.sh",
        ]
        if told.contains(where: { name.hasSuffix($0) }) {
          content[name] = bytes.isEmpty ? "empty" : "there"
        } else if name.hasSuffix(".h5"),
          let digest = try? Checkpoint.contentDigest(path: folder.file(path))
        {
          content[name] = digest
        } else {
          var hash = ContentHash()
          bytes.withUnsafeBytes { hash.update($0) }
          content[name] = hash.hexadecimal()
        }
      }
      return content
    }

    @Test(
      arguments: [
        "$C 2>&-",
        "{ sleep 0.2; $C 2>&1 >/dev/null; echo $? >code; } | true; sleep 0.2; exit $(cat code)",
      ])
    func ranksDoNotNeedTheirMessages(_ command: String) async throws {
      let reference = try await SmallRun.reference.value
      let small = SmallRun(folder.file("run"))
      let train =
        "mpirun -n 2 --bind-to none $P train --run $F/run --steps 20 --workers 1 --set "
        + SmallRun.settings.joined(separator: " ")
      let outcome = try await shell(command.replacing("$C", with: train))
      #expect(outcome.status == 0, "\(outcome)")
      #expect(try small.digest() == reference.digest())
    }

    @Test(arguments: ["--help", "--version", "train --help", "benchmark --parts reading --json -"])
    func aTextThatIsLostIsAFailure(_ words: String) async throws {
      let full = try await shell("$P \(words) >/dev/full")
      #expect(full.status == 74 && full.errorLines.count == 1, "\(full)")
      #expect(full.errors.contains("standard output: cannot be written: No space"), "\(full)")
      let gone = try await shell(
        "{ sleep 0.2; $P \(words); echo $? >code; } | true; sleep 0.2; exit $(cat code)")
      #expect(gone.status == 0 && gone.errorLines.isEmpty, "\(gone)")
      let closed = try await shell("$P \(words) >&-")
      #expect(closed.status == 0 && closed.errorLines.isEmpty, "\(closed)")
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
