// Wrong calls around a run's folder: locks, foreign files, other images, checkpoints by hand.

import Foundation
import Storage
import TestSupport

extension RefusalTests {
  /// Everything that is refused of a run's files beyond what all commands refuse.
  static var runFiles: [Case] { resumed + byHand }

  private static func resuming(
    _ name: String, _ parts: [String], code: Int32, _ options: [String] = [],
    ranks: [Int?] = [nil], _ change: @escaping @Sendable (SmallRun) throws -> Void
  ) -> Case {
    Case(
      name: "resume: \(name)", words: train(["--resume", "--steps", "30"] + options), code: code,
      parts: parts, ranks: ranks
    ) { folder in
      try change(try await SmallRun.reference.value.copy(to: folder.file("run")))
    }
  }

  private static func lock(_ run: SmallRun, _ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(run.path)/lock"))
  }

  private static func withoutCheckpoint(_ run: SmallRun, configuration: String) throws {
    try FileManager.default.removeItem(atPath: "\(run.path)/checkpoints")
    try Data(configuration.utf8).write(to: URL(fileURLWithPath: "\(run.path)/config.yaml"))
    // What --config names is not the run's own file.
    try Data("batch: 32\n".utf8).write(to: URL(fileURLWithPath: "\(run.path)/mine.yaml"))
  }

  private static let elsewhere = LockHolder(
    host: "node-of-nowhere", process: 4711, start: "2026-01-01T00:00:00Z", kernelStart: "1",
    boot: "another", job: "slurm 12"
  ).text

  private static let resumed = [
    resuming(
      "the lock of another machine",
      ["run/lock", "process 4711", "node-of-nowhere", "2026-01-01T00:00:00Z", "remove this file"],
      code: 73, ranks: [nil, 2]
    ) { try lock($0, elsewhere) },
    resuming("a lock of others", ["run/lock", "does not say who holds it"], code: 73) {
      try lock($0, "my diary\n")
    },
    Case(
      name: "train: the lock of another machine", words: train(), code: 73,
      parts: ["run/lock", "node-of-nowhere"], ranks: [nil]
    ) { try lock(try await SmallRun.reference.value.copy(to: $0.file("run")), elsewhere) },
    resuming(
      "a checkpoint under another name",
      ["step-00000025.h5", "is the checkpoint of step 20 and not of 25", "repair-name"], code: 65,
      ranks: [nil, 2]
    ) { try FileManager.default.moveItem(atPath: $0.checkpoint(20), toPath: $0.checkpoint(25)) },
    resuming(
      "progress of another batch", ["step-00000020.h5", "/progress contradicts /config", "640"],
      code: 65
    ) { try $0.forge(20) { $0.progress.imagesSeen += 1 } },
    resuming("progress of another seed", ["/progress contradicts /config", "seed"], code: 65) {
      try $0.forge(20) { $0.progress.seed = .max }
    },
    resuming("progress of other shards", ["/progress contradicts /config", "shards"], code: 65) {
      try $0.forge(20) { ($0.progress.shards, $0.progress.epochs) = (1, [0]) }
    },
    resuming(
      "a foreign config.yaml", ["run/config.yaml", "is not replaced"], code: 73,
      ["--config", "@run/mine.yaml"], ranks: [nil, 2]
    ) { try withoutCheckpoint($0, configuration: "dependencies: [numpy]\n") },
    resuming(
      "a run that has begun otherwise", ["seed", "is 1", "has 7"], code: 64,
      ["--config", "@run/mine.yaml"]
    ) { run in
      let text = try String(contentsOfFile: "\(run.path)/config.yaml", encoding: .utf8)
      try withoutCheckpoint(
        run, configuration: text.replacing(/seed: \d+/, with: "seed: 7"))
    },
    resuming("a config.yaml that is none", ["run/config.yaml", "dependencies"], code: 64) {
      try withoutCheckpoint($0, configuration: "dependencies: [numpy]\n")
    },
    resuming(
      "other images", ["other images than those", "--accept-other-data"], code: 65,
      ranks: [nil, 2]
    ) { try $0.forge(20) { $0.provenance["dataset_hash"] = String(repeating: "0", count: 32) } },
    Case(
      name: "train: other images without a run", words: train(["--accept-other-data"]), code: 64,
      parts: ["--accept-other-data goes with --resume"], ranks: [nil]),
  ]

  private static func byHand(
    _ name: String, _ words: [String], _ parts: [String], code: Int32, ranks: [Int?] = [nil],
    _ change: @escaping @Sendable (SmallRun) throws -> Void = { _ in }
  ) -> Case {
    Case(
      name: "checkpoint: \(name)", words: ["checkpoint"] + words, code: code, parts: parts,
      ranks: ranks
    ) { folder in
      try change(try await SmallRun.reference.value.copy(to: folder.file("run")))
    }
  }

  private static let file = "@run/checkpoints/step-00000020.h5"

  private static let byHand = [
    byHand("no such run", ["ls", "@no"], ["no/checkpoints"], code: 66, ranks: [nil, 2]),
    byHand("nothing to verify", ["verify"], ["files"], code: 64),
    byHand("nothing to compare with", ["diff", file], ["second"], code: 64),
    byHand(
      "compared with nothing", ["diff", file, "@no.h5"], ["no.h5"], code: 66, ranks: [nil, 2]),
    byHand(
      "compared with no checkpoint", ["diff", file, "@run/config.yaml"], ["config.yaml"], code: 65),
    byHand("nothing kept", ["prune", "@run", "--keep", "0"], ["--keep", "at least 1"], code: 64),
    byHand("nothing said of keeping", ["prune", "@run"], ["--keep"], code: 64),
    byHand("no run to prune", ["prune", "@no", "--keep", "2"], ["no run folder"], code: 66),
    byHand("a run that is trained", ["prune", "@run", "--keep", "2"], ["node-of"], code: 73) {
      try lock($0, elsewhere)
    },
    byHand("a name of nothing", ["repair-name", "@no.h5"], ["no.h5"], code: 66),
    byHand("the name of no checkpoint", ["repair-name", "@run/config.yaml"], ["config"], code: 65),
    byHand(
      "a name that is taken", ["repair-name", "@run/checkpoints/step-00000025.h5"],
      ["step-00000020.h5", "nothing is replaced"], code: 73, ranks: [nil, 2]
    ) { try FileManager.default.copyItem(atPath: $0.checkpoint(20), toPath: $0.checkpoint(25)) },
    byHand("a name in a run that is trained", ["repair-name", file], ["node-of"], code: 73) {
      try lock($0, elsewhere)
    },
  ]
}
