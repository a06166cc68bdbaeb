// A call of every command that works: what it reads, and where it writes.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport
import Testing

/// A call of a command in a folder that `prepare` has filled.
struct CommandCall: CustomTestStringConvertible, Sendable {
  /// What the user names for the command to write.
  struct Output: Sendable {
    /// The option that says where, as `--output`.
    let option: String
    /// The endings of the names that it takes: `/` for a folder of pictures, empty for that of a run.
    let endings: [String]
    /// Whether a file of its own kind is replaced without `--force`.
    var isReplaced = true
  }

  var program = Program.dist
  /// The words that name the command.
  let command: [String]
  /// The words behind, without the output; `@x` stands for a file in the folder.
  let words: [String]
  /// The files and folders that it reads, by their names in the folder.
  var inputs: [String] = []
  /// Where it writes, besides what `changes` says.
  var output: Output?
  /// What it changes of what is there: an argument.
  var changes: String?
  /// What it is told on stdin.
  var told: String?

  var testDescription: String {
    ([program.rawValue] + command + words.prefix(2)).joined(separator: " ")
  }

  /// Its command line with the output at a place.
  func line(to target: String, _ more: [String] = []) -> [String] {
    command + words + (output.map { [$0.option, target] } ?? []) + more
  }

  private init(
    of program: Program = .dist, _ command: String, _ words: [String], reads inputs: [String] = [],
    writes option: String? = nil, _ endings: [String] = [], isReplaced: Bool = true,
    changes: String? = nil, told: String? = nil
  ) {
    self.program = program
    self.command = command.split(separator: " ").map(String.init)
    (self.words, self.inputs, self.changes, self.told) = (words, inputs, changes, told)
    output = option.map { Output(option: $0, endings: endings, isReplaced: isReplaced) }
  }

  private static let checkpoint = "@run/checkpoints/step-00000020.h5"
  private static let dataset = [".h5"]
  private static let images = [".png", ".h5", ".npz", "/"]

  /// One or several of every command.
  static let all = [
    CommandCall(
      "train", ["--steps", "2"] + SmallRun.words(beside: ["--steps"]), writes: "--run", [""]),
    CommandCall(
      "evaluate", ["--ckpt", "@run", "--data", "@data.h5", "--count", "8"],
      reads: ["run", "data.h5"], writes: "--output", [".csv", ".json", ".h5", ".svg"]),
    CommandCall(
      "estimate-variance", ["--ckpt", "@run", "--data", "@data.h5", "--count", "8"],
      reads: ["run", "data.h5"], writes: "--output", dataset, isReplaced: false),
    CommandCall(
      "average", ["--run", "@kept", "--length", "0.1"], reads: ["kept"], writes: "--output",
      dataset, isReplaced: false),
    CommandCall(
      "benchmark",
      [
        "--parts", "reading", "--rounds", "1", "--config", "@a.yaml", "--set",
        "validation=@held.h5",
      ],
      reads: ["a.yaml", "data.h5", "held.h5"], writes: "--json", [".json"]),
    CommandCall(
      "benchmark",
      ["--paced", "--parts", "evaluation", "--data", "@data.h5"]
        + SmallRun.words(beside: ["--data"]),
      told: "evaluation\nquit\n"),
    CommandCall("checkpoint ls", ["@run"]),
    CommandCall("checkpoint verify", [checkpoint]),
    CommandCall("checkpoint diff", [checkpoint, checkpoint]),
    CommandCall("checkpoint prune", ["@kept", "--keep", "1"], changes: "run"),
    CommandCall("checkpoint repair-name", ["@misnamed/step-00000001.h5"], changes: "files"),
    CommandCall(
      "dataset import idx", ["@images", "@labels"], reads: ["images", "labels"],
      writes: "--output", dataset),
    CommandCall(
      "dataset import cifar10", ["@a.bin"], reads: ["a.bin"], writes: "--output", dataset),
    CommandCall("dataset import csv", ["@a.csv"], reads: ["a.csv"], writes: "--output", dataset),
    CommandCall(
      "dataset import images", ["@pictures"], reads: ["pictures"], writes: "--output", dataset),
    CommandCall("dataset make gaussian", ["--count", "10"], writes: "--output", dataset),
    CommandCall("dataset make mixture", ["--count", "10"], writes: "--output", dataset),
    CommandCall("dataset make coin", ["--count", "10"], writes: "--output", dataset),
    CommandCall("dataset inspect", ["@data.h5"], reads: ["data.h5"], writes: "--grid", [".png"]),
    CommandCall(
      "predict", ["--ckpt", "@run", "--input", "@x.h5"], reads: ["run", "x.h5"],
      writes: "--output", dataset),
    CommandCall("replay", [checkpoint, "--shard", "0"]),
    CommandCall(
      of: .sample, "", ["--ckpt", "@run", "--init", "@x.h5"], reads: ["run", "x.h5"],
      writes: "--out", images),
    CommandCall(
      of: .sample, "",
      [
        "--ckpt", "@run", "--inpaint", "@data.h5", "--mask", "@mask.png", "--count", "1",
        "--repeats", "1",
      ],
      reads: ["run", "data.h5", "mask.png"], writes: "--out", images),
  ]

  // MARK: What they read

  /// A run of four steps that keeps its averages and two checkpoints.
  private static let kept = Task {
    let run = SmallRun("\(sharedFolder.path)/kept")
    let outcome = try await run.train(
      ["--steps", "4", "--workers", "1"],
      settings: ["average_lengths=[0.05,0.1]", "average_every=2", "checkpoint_every=2"])
    guard outcome.status == 0 else {
      throw StorageError.badData(path: "kept", reason: "\(outcome)")
    }
    return run
  }

  /// Fills a folder with all that the calls read.
  @Sendable static func prepare(_ folder: TemporaryFolder) async throws {
    let run = try await SmallRun.reference.value.copy(to: folder.file("run"))
    _ = try await kept.value.copy(to: folder.file("kept"))
    for name in ["misnamed", "pictures"] {
      try FileManager.default.createDirectory(
        atPath: folder.file(name), withIntermediateDirectories: true)
    }
    try FileManager.default.copyItem(
      atPath: run.checkpoint(20), toPath: folder.file("misnamed/step-00000001.h5"))
    let shape = ImageShape(height: 8, width: 8, channels: 1)
    for name in ["data.h5", "held.h5"] {
      let writer = try ImageDatasetWriter(
        output: folder.file(name), shape: shape, format: .levels(17), name: "x")
      try writer.append(images: (0..<40 * 64).map { UInt8($0 % 17) })
      _ = try writer.finish()
    }
    let file = try File.create(folder.file("x.h5"))
    let root = try file.root()
    for name in ["x_t", "x_T"] {
      try root.write(name, [Float](repeating: 0.5, count: 64), shape: [1, 8, 8, 1])
    }
    try root.write("t", [Int64(0)])
    try root.close()
    try file.close()
    for path in [folder.file("mask.png"), folder.file("pictures/1.png")] {
      try Picture(shape: shape, pixels: [UInt8](repeating: 255, count: 64)).writePNG(to: path)
    }
    let settings =
      SmallRun.settings.map { $0.replacing("=", with: ": ") } + [
        "data: \(folder.file("data.h5"))"
      ]
    try folder.write(Array(settings.joined(separator: "\n").utf8), to: "a.yaml")
    try folder.write([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4], to: "images")
    try folder.write([0, 0, 8, 1, 0, 0, 0, 1, 7], to: "labels")
    try folder.write([7] + [UInt8](repeating: 9, count: 3072), to: "a.bin")
    try folder.write(Array("1,2,3,4,0\n1,2,5,4,0\n".utf8), to: "a.csv")
  }
}
