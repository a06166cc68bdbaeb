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
  /// What it changes of what is there, or the folder that it makes: an argument.
  var changes: String?
  /// What it is told on stdin.
  var told: String?
  /// The words behind all options.
  var last: [String] = []

  var testDescription: String {
    ([program.rawValue] + command + words.prefix(2)).joined(separator: " ")
  }

  /// Its command line with the output at a place.
  func line(to target: String, _ more: [String] = []) -> [String] {
    command + words + (output.map { [$0.option, target] } ?? []) + more + last
  }

  private init(
    of program: Program = .dist, _ command: String, _ words: [String], reads inputs: [String] = [],
    writes option: String? = nil, _ endings: [String] = [], isReplaced: Bool = true,
    changes: String? = nil, told: String? = nil, last: [String] = []
  ) {
    self.program = program
    self.command = command.split(separator: " ").map(String.init)
    (self.words, self.inputs, self.changes, self.told) = (words, inputs, changes, told)
    self.last = last
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
    CommandCall(
      "train", ["--dry-run", "--config", "@a.yaml"], reads: ["a.yaml", "data.h5"],
      writes: "--json", [".json"]),
    CommandCall(
      "check", ["--steps", "2", "--config", "@a.yaml", "--nodes", "2", "--alpha", "1e-5"],
      reads: ["a.yaml", "data.h5"], writes: "--json", [".json"]),
    CommandCall("env", []),
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
    CommandCall("dataset import npy", ["@x.npy"], reads: ["x.npy"], writes: "--output", dataset),
    CommandCall(
      "dataset export images", ["@data.h5"], reads: ["data.h5"], writes: "--output", ["/"]),
    CommandCall(
      "dataset export zip", ["@data.h5"], reads: ["data.h5"], writes: "--output", [".zip"]),
    CommandCall(
      "dataset export npz", ["@data.h5"], reads: ["data.h5"], writes: "--output", [".npz"]),
    CommandCall(
      "dataset import hdf5", ["@data.h5", "--dataset", "images"], reads: ["data.h5"],
      writes: "--output", dataset),
    CommandCall(
      "dataset import csv", ["@a.csv", "--captions", "@captions.txt"],
      reads: ["a.csv", "captions.txt"], writes: "--output", dataset),
    CommandCall("dataset make gaussian", ["--count", "10"], writes: "--output", dataset),
    CommandCall("dataset make mixture", ["--count", "10"], writes: "--output", dataset),
    CommandCall("dataset make coin", ["--count", "10"], writes: "--output", dataset),
    CommandCall("dataset make digit-scenes", ["--count", "10"], writes: "--output", dataset),
    CommandCall("dataset make coloured-digits", ["--count", "10"], writes: "--output", dataset),
    CommandCall("dataset inspect", ["@data.h5"], reads: ["data.h5"], writes: "--grid", [".png"]),
    CommandCall(
      "predict", ["--ckpt", "@run", "--input", "@x.h5"], reads: ["run", "x.h5"],
      writes: "--output", dataset),
    CommandCall("export diffusers", ["@run", "@exported"], changes: "output"),
    CommandCall(
      "import diffusers", ["@pipeline"], reads: ["pipeline"], writes: "--output", dataset,
      isReplaced: false),
    CommandCall(
      "job", ["slurm", "--cores", "2", "--no-check"], writes: "--output", [".sh", ".sbatch"],
      last: ["--", "train", "--steps", "2"]),
    CommandCall("replay", [checkpoint, "--shard", "0"]),
    CommandCall("report", ["@run"], reads: ["run"], writes: "--output", [".html"]),
    CommandCall("watch", ["@run", "--once"]),
    CommandCall("runs ls", ["@."]),
    CommandCall("runs compare", ["@run", "@kept"]),
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

  /// Fills a folder with all that the calls read.
  @Sendable static func prepare(_ folder: TemporaryFolder) async throws {
    let source = try await inputs.value
    for name in try FileManager.default.contentsOfDirectory(atPath: source) {
      try FileManager.default.copyItem(atPath: "\(source)/\(name)", toPath: folder.file(name))
    }
  }

  /// What `prepare` fills a folder with.
  static let prepared = Task { try snapshot(await inputs.value) }

  /// A folder of all that the calls read, made once.
  ///
  /// Others start programs meanwhile, which hold this process's open files for a moment, and with them
  /// HDF5's locks: what is written here is not opened here again.
  private static let inputs = Task {
    let folder = "\(sharedFolder.path)/inputs"
    let reference = try await SmallRun.reference.value
    for name in ["misnamed", "pictures"] {
      try FileManager.default.createDirectory(
        atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
    }
    _ = try reference.copy(to: "\(folder)/run")
    try FileManager.default.copyItem(
      atPath: reference.checkpoint(20), toPath: "\(folder)/misnamed/step-00000001.h5")
    // A run of four steps that keeps its averages and two checkpoints.
    let kept = try await SmallRun("\(folder)/kept").train(
      ["--steps", "4", "--workers", "1"],
      settings: ["average_lengths=[0.05,0.1]", "average_every=2", "checkpoint_every=2"])
    try #require(kept.status == 0, "\(kept)")
    let pipeline = try await run(
      .dist, ["export", "diffusers", "\(folder)/run", "\(folder)/pipeline"])
    try #require(pipeline.status == 0, "\(pipeline)")
    func write(_ bytes: [UInt8], _ name: String) throws {
      try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
    }
    let rows = (0..<40).map { row in (0..<64).map { "\((row + $0) % 17)" }.joined(separator: ",") }
    try write(Array(rows.joined(separator: "\n").utf8), "table.csv")
    for name in ["data.h5", "held.h5"] {
      let made = try await run(
        .dist,
        [
          "dataset", "import", "csv", "\(folder)/table.csv", "--label", "none", "--levels", "17",
          "--output", "\(folder)/\(name)",
        ])
      try #require(made.status == 0, "\(made)")
    }
    let file = try File.create("\(folder)/x.h5")
    let root = try file.root()
    for name in ["x_t", "x_T"] {
      try root.write(name, [Float](repeating: 0.5, count: 64), shape: [1, 8, 8, 1])
    }
    try root.write("t", [Int64(0)])
    try root.close()
    try file.close()
    let shape = ImageShape(height: 8, width: 8, channels: 1)
    for name in ["mask.png", "pictures/1.png"] {
      try Picture(shape: shape, pixels: [UInt8](repeating: 255, count: 64))
        .writePNG(to: "\(folder)/\(name)")
    }
    let settings = SmallRun.settings.map { $0.replacing("=", with: ": ") } + ["data: data.h5"]
    try write(Array(settings.joined(separator: "\n").utf8), "a.yaml")
    try write([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4], "images")
    try write([0, 0, 8, 1, 0, 0, 0, 1, 7], "labels")
    try write([7] + [UInt8](repeating: 9, count: 3072), "a.bin")
    try write(Array("1,2,3,4,0\n1,2,5,4,0\n".utf8), "a.csv")
    try write(Array("one\ntwo\n".utf8), "captions.txt")
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2, 2)}\n"
    try write(
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8)
        + [1, 2, 3, 4], "x.npy")
    return folder
  }
}
