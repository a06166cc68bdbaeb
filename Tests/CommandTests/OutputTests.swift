// What commands replace where they are told to write; what they do not is in RefusalCases+Outputs.

import Foundation
import Storage
import TestSupport
import Testing

/// As `RefusalTests`, many programs at a time.
@Suite struct OutputTests {
  /// A command with one of the endings of its output.
  struct Row: CustomTestStringConvertible, Sendable {
    let call: CommandCall
    let ending: String

    var testDescription: String { "\(call.testDescription) to a name in \(ending)" }
  }

  static let rows = CommandCall.all.flatMap { call in
    (call.output?.endings ?? []).filter { $0.hasPrefix(".") }.map { Row(call: call, ending: $0) }
  }

  @Test(arguments: rows) func aFileOfItsKindIsReplacedAndWithForceAnyOther(
    _ row: Row
  ) async throws {
    try await RefusalTests.gate.enter(1) { try await replace(row) }
  }

  private func replace(_ row: Row) async throws {
    let folder = try TemporaryFolder()
    try await CommandCall.prepare(folder)
    let (name, text) = ("out\(row.ending)", Array("a diary\n".utf8))
    try folder.write(text, to: name)
    let before = try snapshot(folder.path)
    func write(_ more: [String] = []) async throws -> Outcome {
      let words = row.call.line(to: "@\(name)", more)
        .map { $0.replacing("@", with: folder.path + "/") }
      return try await run(row.call.program, words, in: folder.path)
    }

    let forced = try await write(["--force"])
    #expect(forced.status == 0, "\(forced)")
    let written = try folder.bytes(name)
    #expect(!written.starts(with: text.prefix(4)) && written.count > text.count)
    let again = try await write()
    if row.call.output?.isReplaced == true {
      #expect(again.status == 0, "\(again)")
    } else {
      #expect(again.status == 73 && again.errors.contains("already"), "\(again)")
      #expect(try folder.bytes(name) == written)
    }
    // Nothing else has changed, and nothing is left.
    let after = try snapshot(folder.path)
    #expect(after.filter { $0.key != name } == before.filter { $0.key != name })
  }

  /// Options and arguments with a value that name nothing to write.
  static let others: Set = [
    "accept-other-data", "alpha", "bandwidth", "batch", "block", "caption", "captions", "channels",
    "ckpt", "class",
    "class-names", "condition", "config", "contrast", "correlation", "count", "crop", "data",
    "dataset",
    "deviation",
    "draws", "dynamic-threshold", "encode", "eta", "first", "frames", "from", "group", "guidance",
    "guidance-interval", "guidance-rescale", "guide-with", "gzip", "height", "images", "init",
    "init-from",
    "importance-samples", "inpaint", "input", "interpolate", "keep", "key", "label", "label-key",
    "labels", "language",
    "latent", "layout",
    "length", "levels", "log-format",
    "license",
    "mask", "mean", "method", "name", "nodes", "noise-level", "order", "origin", "part", "parts",
    "precision",
    "price", "probability", "prompt", "prompts", "range", "repeats", "rounds", "sampler", "second",
    "seed",
    "set",
    "shard", "size", "snr",
    "step",
    "steps", "text-encoder", "text-vocabulary", "time-limit", "tolerance", "variance", "walk",
    "watts",
    "weights",
    "width", "workers",
    // What a job asks of its scheduler.
    "account", "array", "chain", "constraint", "container", "cores", "env", "estimate", "extra",
    "hostfile", "launcher", "log", "mail", "mem", "modules", "nodes", "parallel-environment",
    "partition", "program", "qos", "ranks-per-node", "ranks-per-socket", "reservation", "scheduler",
    "setup", "skip", "sockets", "time", "train", "warn-before",
    // What names something to write in another command.
    "average run", "check run", "checkpoint ls run", "checkpoint verify files",
    "dataset import cifar10 files",
    "dataset import csv file", "dataset import hdf5 files", "dataset import images source",
    "dataset inspect file", "evaluate grid", "export diffusers run", "import diffusers folder",
    "replay checkpoint", "ddpm-sample grid", "report runs", "watch runs",
    "runs ls folder", "runs compare runs",
  ]

  /// A new command needs a call, and a new option a row or a word in `others`.
  @Test(arguments: [Program.dist, .sample])
  func everyCommandAndEveryOutputHasARow(_ program: Program) async throws {
    let calls = CommandCall.all.filter { $0.program == program }
    let outcome = try await run(program, ["--experimental-dump-help"])
    let help = try JSONDecoder().decode(Help.self, from: Data(outcome.output.utf8)).command
    for (path, command) in help.leaves([]) where path != ["help"] {
      let own = calls.filter { $0.command == path }
      #expect(!own.isEmpty, "\(path) is in no CommandCall")
      let written = own.flatMap { [$0.output?.option, $0.changes] }.compactMap(\.self)
      for name in command.values {
        let place = (path.isEmpty ? [program.rawValue, name] : path + [name])
          .joined(separator: " ")
        let isOther = !Self.others.isDisjoint(with: [name, place])
        #expect(
          written.contains { $0 == name || $0 == "--\(name)" } != isOther,
          "\(place): does it name something to write?")
      }
      let names = command.values
      #expect(
        written.allSatisfy { names.contains($0.replacing("--", with: "")) }, "\(path): \(written)")
    }
  }

  /// What `--experimental-dump-help` prints.
  private struct Help: Decodable {
    let command: Command

    struct Command: Decodable {
      let commandName: String
      let arguments: [Argument]?
      let subcommands: [Command]?

      /// The names of the options and arguments that take a value.
      var values: [String] {
        (arguments ?? []).filter { $0.kind != "flag" }.compactMap {
          $0.preferredName?.name ?? $0.valueName
        }
      }

      /// The commands that have none below, with the words that lead to them.
      func leaves(_ path: [String]) -> [(path: [String], Command)] {
        guard let subcommands, !subcommands.isEmpty else { return [(path, self)] }
        return subcommands.flatMap { $0.leaves(path + [$0.commandName]) }
      }
    }

    struct Argument: Decodable {
      let kind: String
      let preferredName: Name?
      let valueName: String?

      struct Name: Decodable {
        let name: String
      }
    }
  }
}
