// The table of wrong calls that RefusalTests makes.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport

extension RefusalTests {
  static var cases: [Case] {
    commandLines + configurations + outputs + datasets + checkpoints + arrays + imports
      + drawings + jobs + sampling + conditions + latents + runFiles + diffusers
  }

  // MARK: What stands on the command line and in configurations

  private static let commandLines = [
    Case(
      name: "unknown option", words: ["train", "--bogus"], code: 64,
      parts: ["Unknown option '--bogus'"]),
    Case(
      name: "ill-typed option", words: ["train", "--steps", "many"], code: 64, parts: ["'many'"]),
    Case(
      name: "more parameters than there can be",
      words: [
        "train", "--run", "@run", "--set", "channels=4096", "multipliers=[4096,4096]",
        "attention=[]",
      ], code: 64, parts: ["parameters; 2147483647 are possible"]),
    Case(
      name: "nothing left of an image",
      words: [
        "train", "--run", "@run", "--set", "schedule=linear", "beta_start=0.9", "beta_end=0.999",
        "diffusion_steps=500",
      ], code: 64, parts: ["leaves nothing of an image from step"]),
    Case(
      name: "noise alone at the end",
      words: ["train", "--run", "@run", "--set", "zero_terminal_snr=true"], code: 64,
      parts: ["choose the prediction v or clean"]),
    Case(
      name: "jsd ends in noise alone",
      words: ["train", "--run", "@run", "--set", "schedule=jsd"], code: 64,
      parts: ["choose the prediction v or clean"], ranks: [nil]),
    Case(
      name: "a list of another length",
      words: ["train", "--run", "@run", "--set", "schedule=list", "betas=[0.1,0.2]"], code: 64,
      parts: ["2 numbers for 200 diffusion steps"], ranks: [nil]),
    Case(
      name: "a list without its schedule",
      words: ["train", "--run", "@run", "--set", "betas=[0.1,0.2]"], code: 64,
      parts: ["set schedule=list"], ranks: [nil]),
    Case(
      name: "a learned variance that nothing teaches",
      words: ["train", "--run", "@run", "--set", "variance=learned"], code: 64,
      parts: ["choose the objective bound or hybrid"], ranks: [nil]),
    Case(
      name: "a noise that shrinks",
      words: ["train", "--run", "@run", "--set", "model=vdm", "gamma_min=5.5"], code: 64,
      parts: ["gamma_min", "not below gamma_max"]),
    Case(
      name: "a schedule that is learned over steps",
      words: ["train", "--run", "@run", "--set", "model=vdm", "vdm_steps=10"], code: 64,
      parts: ["gamma_schedule", "set vdm_steps=0"], ranks: [nil]),
    Case(
      name: "patience without validation",
      words: ["train", "--run", "@run", "--set", "patience=2"], code: 64,
      parts: ["patience", "there is no validation"], ranks: [nil]),
    Case(
      name: "patience without steps of validation",
      words: [
        "train", "--run", "@run", "--set", "patience=2", "validation=0.2", "validation_every=0",
      ], code: 64, parts: ["patience", "validation_every=0"], ranks: [nil]),
    Case(
      name: "hybrid without a learned variance",
      words: ["train", "--run", "@run", "--set", "objective=hybrid"], code: 64,
      parts: ["set variance=learned"], ranks: [nil]),
    Case(
      name: "a weight of the bound",
      words: ["train", "--run", "@run", "--set", "objective=bound", "weighting=p2"], code: 64,
      parts: ["leave weighting at none"], ranks: [nil]),
    Case(
      name: "more threads than a rank has",
      words: [
        "predict", "--ckpt", "@a", "--input", "@x", "--output", "@y.h5", "--workers", "5000",
      ],
      code: 64, parts: ["--workers needs a number from 1 to 4096"], ranks: [nil]),
    Case(
      name: "an option twice", words: ["train", "--data", "a", "--run", "@run", "--data=b"],
      code: 64, parts: ["--data is given twice"]),
    Case(
      name: "an option twice, after settings",
      words: ["train", "--seed", "1", "--set", "steps=1", "--seed", "1"], code: 64,
      parts: ["--seed is given twice"], ranks: [nil]),
    Case(
      name: "benchmark: an option twice",
      words: ["benchmark", "--json=-", "--rounds", "1", "--json=-"], code: 64,
      parts: ["--json is given twice"], ranks: [nil]),
    Case(
      name: "import: an option twice",
      words: ["dataset", "import", "csv", "@a", "--output", "a.h5", "--output", "b.h5"], code: 64,
      parts: ["--output is given twice"], ranks: [nil]),
    Case(
      name: "inspect: an option twice",
      words: ["dataset", "inspect", "digits", "--count=1", "--count=2"], code: 64,
      parts: ["--count is given twice"], ranks: [nil]),
    Case(
      name: "predict: an option twice",
      words: [
        "predict", "--ckpt", "@a", "--input", "@x", "--output", "@y.h5", "--ckpt", "@b",
      ], code: 64, parts: ["--ckpt is given twice"], ranks: [nil]),
    Case(
      name: "sample: an option twice", program: .sample,
      words: ["--ckpt", "@a", "--out", "a.png", "--out", "b.png", "--seed", "1", "--seed=2"],
      code: 64, parts: ["--seed is given twice"], ranks: [nil]),
    Case(
      name: "average: a length that there is not",
      words: ["average", "--run", "@run", "--length", "0.5", "--output", "@a.h5"], code: 64,
      parts: ["--length needs a number from 0.001 to 0.28"]),
    Case(
      name: "average: no step",
      words: [
        "average", "--run", "@run", "--length", "0.05", "--output", "@a.h5", "--step", "0",
      ], code: 64, parts: ["--step needs at least 1"], ranks: [nil]),
    Case(name: "unknown command", words: ["trian"], code: 64, parts: ["trian"]),
    Case(name: "no checkpoint named", program: .sample, words: [], code: 64, parts: ["--ckpt"]),
    Case(
      name: "unknown kind of output", program: .sample, words: ["--ckpt", "x", "--out", "x.jpg"],
      code: 64, parts: [".png, .h5 or .npz"]),
    Case(
      name: "no images asked for", program: .sample, words: ["--ckpt", "x", "--count", "0"],
      code: 64, parts: ["--count"]),
    Case(
      name: "unknown sampler", program: .sample, words: ["--ckpt", "x", "--sampler", "magic"],
      code: 64, parts: ["'magic'"]),
    Case(
      name: "another sampler's option", program: .sample,
      words: ["--ckpt", "@run", "--sampler", "ddim", "--variance", "fixed_small"], code: 64,
      parts: ["ddim", "--variance", "ancestral"], prepare: referenceRun),
    Case(
      name: "eta of nothing", program: .sample, words: ["--ckpt", "@run", "--eta", "0.5"], code: 64,
      parts: ["ancestral", "--eta", "ddim"], prepare: referenceRun),
    Case(
      name: "eta out of range", program: .sample,
      words: ["--ckpt", "@run", "--sampler", "ddim", "--eta", "1.5"], code: 64,
      parts: ["--eta", "0 to 1"], prepare: referenceRun),
    Case(
      name: "unknown grid", program: .sample, words: ["--ckpt", "x", "--grid", "chess"], code: 64,
      parts: ["'chess'"]),
    Case(
      name: "a list that is no grid", program: .sample,
      words: ["--ckpt", "@run", "--grid", "5,5,21"], code: 64, parts: ["[5, 5, 21]", "1 to 20"],
      prepare: referenceRun),
    Case(
      name: "unknown family", words: train([], ["model=magic"]), code: 64,
      parts: ["'model'", "ddpm", "'magic'"]),
    Case(name: "no input named", words: ["predict", "--ckpt", "x"], code: 64, parts: ["--input"]),
    Case(
      name: "option out of range", words: ["train", "--run", "@run", "--steps", "0"], code: 64,
      parts: ["--steps 0", "at least 1"]),
    Case(
      name: "benchmark: data twice",
      words: ["benchmark", "--data", "@d.h5", "--images", "8x8x1"], code: 64,
      parts: ["--data", "--images"]),
    Case(
      name: "benchmark: two extents", words: ["benchmark", "--images", "8x8"], code: 64,
      parts: ["'8x8'"]),
    Case(
      name: "benchmark: unknown part", words: ["benchmark", "--parts", "step,lunch"], code: 64,
      parts: ["'step,lunch'"]),
    Case(
      name: "benchmark: no rounds", words: ["benchmark", "--rounds", "0"], code: 64,
      parts: ["--rounds"]),
    Case(
      name: "benchmark: paced reading", words: ["benchmark", "--paced", "--parts", "reading"],
      code: 64, parts: ["step and evaluation"]),
    Case(
      name: "benchmark: no images", words: ["benchmark", "--set", "data=@no.h5"], code: 64,
      parts: ["no.h5", "--data", "--images"]),
    Case(
      name: "benchmark: no dataset", words: ["benchmark", "--data", "@no.h5"], code: 66,
      parts: ["no.h5"]),
  ]

  private static let configurations = [
    Case(
      name: "unknown key", words: train([], ["chanels=3"]), code: 64,
      parts: ["--set chanels=3", "'channels'"]),
    Case(
      name: "ill-typed value", words: train([], ["warmup_steps=many"]), code: 64,
      parts: ["'warmup_steps'", "'many'", "whole number"]),
    Case(
      name: "unknown choice", words: train([], ["schedule=steep"]), code: 64,
      parts: ["linear, cosine"]),
    Case(
      name: "a setting twice", words: ["train", "--run", "@run", "--set", "steps=3", "steps=4"],
      code: 64, parts: ["--set steps=4", "'steps' is given twice", "--set steps=3"]),
    Case(
      name: "a setting twice, apart",
      words: ["train", "--set", "steps=3", "--run", "@run", "--set", "steps=4"], code: 64,
      parts: ["--set steps=4", "'steps' is given twice", "--set steps=3"], ranks: [nil]),
    Case(
      name: "a setting and its option",
      words: ["train", "--run", "@run", "--steps", "5", "--set", "steps=6"], code: 64,
      parts: ["--set steps=6", "'steps' is given twice", "--steps 5"]),
    Case(
      name: "benchmark: a setting and its option",
      words: ["benchmark", "--batch", "5", "--set", "batch=6"], code: 64,
      parts: ["--set batch=6", "'batch' is given twice", "--batch 5"]),
    Case(name: "no value", words: train([], ["steps"]), code: 64, parts: ["key=value"]),
    Case(
      name: "unknown key in a file", words: ["train", "--config", "@a.yaml", "--run", "@run"],
      code: 64, parts: ["a.yaml:3", "'learing_rate'", "'learning_rate'"]
    ) { try $0.write(Array("# digits\nsteps: 2\nlearing_rate: 1\n".utf8), to: "a.yaml") },
    Case(
      name: "ill-typed value in a file", words: ["train", "--config", "@a.yaml", "--run", "@run"],
      code: 64, parts: ["a.yaml:2", "'flip'", "true or false"]
    ) { try $0.write(Array("steps: 2\nflip: 7\n".utf8), to: "a.yaml") },
    Case(
      name: "a file that is no YAML", words: ["train", "--config", "@a.yaml", "--run", "@run"],
      code: 64, parts: ["a.yaml"]
    ) { try $0.write(Array("steps: [2\n".utf8), to: "a.yaml") },
    Case(
      name: "no such configuration", words: ["train", "--config", "@a.yaml", "--run", "@run"],
      code: 66, parts: ["a.yaml"]),
    Case(
      name: "a folder for a configuration", words: ["train", "--config", "@a", "--run", "@run"],
      code: 66, parts: ["a: is a folder"], ranks: [nil]
    ) {
      try FileManager.default.createDirectory(
        atPath: $0.file("a"), withIntermediateDirectories: true)
    },
    Case(
      name: "a configuration that is no text",
      words: ["train", "--config", "@a.yaml", "--run", "@run"], code: 64,
      parts: ["a.yaml", "UTF-8"], ranks: [nil]
    ) { try $0.write(Array("name: gr".utf8) + [0xFC, 10], to: "a.yaml") },
    Case(
      name: "a tab in a file", words: ["train", "--config", "@a.yaml", "--run", "@run"],
      code: 64, parts: ["a.yaml:2", "tab", "spaces"], ranks: [nil]
    ) { try $0.write(Array("multipliers:\n\t- 4\n".utf8), to: "a.yaml") },
    Case(
      name: "a batch that does not divide", words: train(["--batch", "30"], ["shards=4"]), code: 64,
      parts: ["30 images", "4 shards"]),
    Case(
      name: "a network that does not fit", words: train([], ["groups=3"]), code: 64,
      parts: ["groups"]),
    Case(
      name: "snapshots of nothing", words: train([], ["average_every=2"]), code: 64,
      parts: ["average_every", "average_lengths"]),
    Case(
      name: "more steps than the schedule has",
      words: train([], ["learning_rate_schedule=cosine", "learning_rate_steps=1"]), code: 64,
      parts: ["steps: is 2", "ends at step 1"]),
    Case(
      name: "noise that shrinks",
      words: train([], ["schedule=linear", "beta_start=0.5", "beta_end=0.1"]), code: 64,
      parts: ["beta_start"]),
    Case(
      name: "a batch larger than the data", words: train(["--batch", "2000"]), code: 65,
      parts: ["1797 images", "2000"]),
    Case(
      name: "validation: more than all", words: train([], ["validation=1.5"]), code: 64,
      parts: ["'validation'", "between 0 and 1", "'1.5'"], ranks: [nil]),
    Case(
      name: "validation: a share of nothing", words: train([], ["validation=0.0001"]), code: 64,
      parts: ["validation", "1797 images", "not one image"]),
    Case(
      name: "validation: a share that leaves too few", words: train([], ["validation=0.99"]),
      code: 65, parts: ["18 images beside the 1779 that are held out", "one batch of 32"]),
    Case(
      name: "validation: another number held out",
      words: train([], ["validation=0.2", "held_out=100"]), code: 64,
      parts: ["held_out", "is 100", "the last 359"]),
    Case(
      name: "validation: early stopping elsewhere", words: train([], ["early_stopping=3"]),
      code: 64, parts: ["'patience'"], ranks: [nil]),
  ]

  // MARK: Datasets

  private static func dataset(
    _ name: String, _ parts: [String], code: Int32 = 65,
    _ prepare: @escaping @Sendable (TemporaryFolder) throws -> Void
  ) -> Case {
    Case(
      name: "dataset: \(name)", words: train(["--data", "@data.h5"]), code: code,
      parts: ["data.h5"] + parts, prepare: prepare)
  }

  private static func validation(
    _ name: String, _ parts: [String], code: Int32 = 65,
    _ prepare: @escaping @Sendable (TemporaryFolder) throws -> Void
  ) -> Case {
    Case(
      name: "validation: \(name)", words: train([], ["validation=@data.h5"]), code: code,
      parts: ["data.h5"] + parts, prepare: prepare)
  }

  /// Writes `/images` and perhaps attributes.
  private static func images<Element: HDF5Element>(
    _ folder: TemporaryFolder, _ values: [Element], _ shape: [Int],
    range: [Double]? = nil, nats: Double? = nil
  ) throws {
    let file = try File.create(folder.file("data.h5"))
    let root = try file.root()
    try root.write("images", values, shape: shape)
    if let nats { try root.setAttribute("true_nll_nats", .double(nats)) }
    if let range {
      let images = try root.dataset("images")
      try images.setAttribute("value_range", .doubles(range))
      try images.close()
    }
    try root.close()
    try file.close()
  }

  private static var datasets: [Case] {
    [
      dataset("missing", ["No such file"], code: 66) { _ in },
      dataset("not HDF5", ["not an HDF5 file"]) {
        try $0.write(Array("hello".utf8), to: "data.h5")
      },
      dataset("an empty file", ["is empty"]) { try $0.write([], to: "data.h5") },
      dataset("truncated", []) {
        let digits = $0.file("whole.h5")
        let writer = try ImageDatasetWriter(
          output: digits, shape: ImageShape(height: 8, width: 8, channels: 1), name: "x")
        try writer.append(images: [UInt8](repeating: 3, count: 64 * 100))
        _ = try writer.finish()
        let bytes = try [UInt8](contentsOf: digits)
        try $0.write(Array(bytes[..<(bytes.count / 2)]), to: "data.h5")
      },
      dataset("no truth", ["true_nll_nats is inf", "finite"]) {
        try images($0, [UInt8](repeating: 0, count: 64 * 40), [40, 8, 8, 1], nats: .infinity)
      },
      dataset("no images in it", ["no dataset named images"]) {
        let file = try File.create($0.file("data.h5"))
        try file.close()
      },
      dataset("three extents", ["four extents"]) {
        try images($0, [UInt8](repeating: 0, count: 64 * 40), [40, 8, 8])
      },
      dataset("32-bit integers", ["uint8, uint16 or float32"]) {
        try images($0, [Int32](repeating: 0, count: 64 * 40), [40, 8, 8, 1])
      },
      dataset("no image", ["0 images"]) { try images($0, [UInt8](), [0, 8, 8, 1]) },
      dataset("fewer images than a batch", ["31 images", "32"]) {
        try images($0, [UInt8](repeating: 0, count: 64 * 31), [31, 8, 8, 1])
      },
      dataset("NaN", ["image 39", "nan"]) {
        var values = [Float](repeating: 0, count: 64 * 40)
        values[64 * 39 + 5] = .nan
        try images($0, values, [40, 8, 8, 1], range: [-1, 1])
      },
      dataset("outside its range", ["image 1", "1.5"]) {
        var values = [Float](repeating: 0, count: 64 * 40)
        values[64] = 1.5
        try images($0, values, [40, 8, 8, 1], range: [-1, 1])
      },
      Case(
        name: "dataset: another height", words: train(["--data", "@data.h5"], ["height=8"]),
        code: 64, parts: ["height", "is 8", "have 6"]
      ) { try images($0, [UInt8](repeating: 0, count: 48 * 40), [40, 6, 8, 1]) },
      validation("missing", ["No such file"], code: 66) { _ in },
      validation("other extents", ["images of 8×6×1", "of 8×8×1"]) {
        try images($0, [UInt8](repeating: 0, count: 48 * 40), [40, 8, 6, 1])
      },
      validation("other levels", ["uint8, 256 levels", "uint8, 17 levels"]) {
        try images($0, [UInt8](repeating: 0, count: 64 * 40), [40, 8, 8, 1])
      },
      validation("continuous images", ["float32 in -1.0 … 1.0", "uint8, 17 levels"]) {
        try images($0, [Float](repeating: 0, count: 64 * 40), [40, 8, 8, 1], range: [-1, 1])
      },
      Case(
        name: "inspect: missing", words: ["dataset", "inspect", "@no.h5"], code: 66,
        parts: ["no.h5"]),
      Case(
        name: "inspect: not HDF5", words: ["dataset", "inspect", "@a"], code: 65, parts: ["HDF5"]
      ) { try $0.write(Array("hello".utf8), to: "a") },
    ]
  }

  // MARK: Checkpoints

  @Sendable private static func referenceRun(_ folder: TemporaryFolder) async throws {
    _ = try await SmallRun.reference.value.copy(to: folder.file("run"))
  }

  /// A checkpoint that is changed and then sampled from by its own name, and resumed.
  private static func checkpoint(
    _ name: String, _ parts: [String],
    _ change: @escaping @Sendable (SmallRun) throws -> Void
  ) -> [Case] {
    let prepare: @Sendable (TemporaryFolder) async throws -> Void = { folder in
      try await referenceRun(folder)
      try change(SmallRun(folder.file("run")))
    }
    return [
      Case(
        name: "sample: \(name)", program: .sample,
        words: ["--ckpt", "@run/checkpoints/step-00000020.h5"], code: 65,
        parts: ["step-00000020.h5"] + parts, prepare: prepare),
      Case(
        name: "predict: \(name)",
        words: [
          "predict", "--ckpt", "@run/checkpoints/step-00000020.h5", "--input", "@x", "--output",
          "@y.h5",
        ], code: 65, parts: ["step-00000020.h5"] + parts, prepare: prepare),
    ]
  }

  private static func resuming(
    _ name: String, _ parts: [String], code: Int32 = 65, _ settings: [String] = [],
    _ change: @escaping @Sendable (SmallRun) throws -> Void
  ) -> Case {
    Case(
      name: "resume: \(name)", words: train(["--resume", "--steps", "30"], settings), code: code,
      parts: parts
    ) { folder in
      try await referenceRun(folder)
      try change(SmallRun(folder.file("run")))
    }
  }

  private static func replacing(
    _ old: String, _ new: String
  ) -> @Sendable (SmallRun) throws -> Void {
    { run in
      try run.forge(20) { $0.configuration = $0.configuration.replacing(old, with: new) }
    }
  }

  private static var checkpoints: [Case] {
    [
      Case(
        name: "sample: missing", program: .sample, words: ["--ckpt", "@no"], code: 66,
        parts: ["no"]),
      Case(
        name: "sample: a dataset for a checkpoint", program: .sample,
        words: ["--ckpt", "@data.h5"],
        code: 65, parts: ["data.h5", "is a ddpm-dataset file, not a checkpoint"], ranks: [nil],
        prepare: CommandCall.prepare),
      Case(
        name: "sample: an empty folder", program: .sample, words: ["--ckpt", "@run"], code: 66,
        parts: ["run", "no good checkpoint"]
      ) {
        try FileManager.default.createDirectory(
          atPath: $0.file("run"), withIntermediateDirectories: true)
      },
      Case(
        name: "sample: weights that are not there", program: .sample,
        words: ["--ckpt", "@run", "--weights", "average_0.05"], code: 65,
        parts: ["has no weights average_0.05; choose of average, model"], prepare: referenceRun),
      Case(
        name: "average: no run",
        words: ["average", "--run", "@no", "--length", "0.05", "--output", "@a.h5"], code: 66,
        parts: ["no run folder of this name"]),
      Case(
        name: "average: a run that has kept none",
        words: ["average", "--run", "@run", "--length", "0.05", "--output", "@a.h5"], code: 66,
        parts: ["no power averages up to step 20", "average_lengths"], prepare: referenceRun),
      Case(
        name: "average: no checkpoint so early",
        words: [
          "average", "--run", "@run", "--length", "0.05", "--output", "@a.h5", "--step", "19",
        ], code: 66, parts: ["no good checkpoint up to step 19"], prepare: referenceRun),
      Case(
        name: "sample: too many steps", program: .sample,
        words: ["--ckpt", "@run", "--steps", "21"], code: 64, parts: ["21 of 20"],
        prepare: referenceRun),
    ]
      + checkpoint("damaged", ["damaged"]) { try $0.damage(20) }
      + checkpoint("truncated", ["truncated"]) { try $0.truncate(20) }
      + checkpoint(
        "another architecture", ["architecture"], replacing("channels: 8", "channels: 16"))
      + checkpoint("another depth", ["architecture"], replacing("blocks: 1", "blocks: 2"))
      + checkpoint("unknown key", ["/config", "'blobs'"], replacing("blocks: 1", "blobs: 1"))
      + checkpoint("no such network", ["/config"], replacing("groups: 4", "groups: 3"))
      + checkpoint("impossible progress", ["/progress"]) { run in
        try run.forge(20) { $0.progress.step = .max }
      }
      + [
        resuming("impossible progress", ["step-00000020.h5", "/progress"]) { run in
          try run.forge(20) { $0.progress.step = .max }
        },
        resuming(
          "an average that begins in the middle", ["average_lengths", "0.05", "step 20"], code: 64,
          ["average_lengths=[0.05]"]
        ) { _ in },
        resuming("only a damaged checkpoint", ["none of its checkpoints"]) { try $0.damage(20) },
        resuming(
          "another architecture", ["step-00000020.h5", "architecture"], ["blocks=2"],
          replacing("blocks: 1", "blocks: 2")),
        resuming(
          "unknown key", ["step-00000020.h5", "/config", "'blobs'"], [],
          replacing("blocks: 1", "blobs: 1")),
        resuming("other settings", ["blocks", "2", "1"], code: 64, ["blocks=2"]) { _ in },
        resuming("another batch", ["batch"], code: 64, ["batch=64"]) { _ in },
        resuming(
          "images held out that it has seen", ["held_out", "is 0", "the last 359"], code: 64,
          ["validation=0.2"]
        ) { _ in },
        resuming("images held out by number", ["held_out", "9", "0"], code: 64, ["held_out=9"]) {
          _ in
        },
        resuming(
          "something that has the name of the best", ["checkpoints/best", "move it away"],
          code: 73, ["validation=digits"]
        ) { try Data([1]).write(to: URL(fileURLWithPath: "\($0.path)/checkpoints/best")) },
        resuming("a history of the future", ["step-00000020.h5", "/validation"]) { run in
          try run.forge(20) {
            $0.validation = ValidationHistory(subject: "x", steps: [21], losses: [1])
          }
        },
      ]
  }

  // MARK: Arrays

  private static func array(
    _ name: String, _ parts: [String], count: Int = 2, shape: [Int]? = nil, times: [Int64]? = nil,
    value: Float = 0
  ) -> [Case] {
    let prepare: @Sendable (TemporaryFolder) async throws -> Void = { folder in
      try await referenceRun(folder)
      let file = try File.create(folder.file("a.h5"))
      let root = try file.root()
      let extents = shape ?? [count, 8, 8, 1]
      var values = [Float](repeating: 0, count: extents.reduce(1, *))
      if !values.isEmpty { values[0] = value }
      for name in ["x_t", "x_T"] { try root.write(name, values, shape: extents) }
      try root.write("t", times ?? [Int64](repeating: 0, count: count))
      try root.close()
      try file.close()
    }
    let predict = Case(
      name: "predict: \(name)",
      words: ["predict", "--ckpt", "@run", "--input", "@a.h5", "--output", "@p.h5"], code: 65,
      parts: ["a.h5"] + parts, prepare: prepare)
    let sample = Case(
      name: "--init: \(name)", program: .sample, words: ["--ckpt", "@run", "--init", "@a.h5"],
      code: 65, parts: ["a.h5"] + parts, prepare: prepare)
    return times == nil ? [predict, sample] : [predict]
  }

  private static var arrays: [Case] {
    array("another shape", ["8, 8, 1"], shape: [2, 8, 8, 3])
      + array("another rank", ["8, 8, 1"], shape: [2, 64])
      + array("no image", ["8, 8, 1"], count: 0)
      + array("NaN", ["nan"], value: .nan)
      + array("time too large", ["/t[1] is 20"], times: [0, 20])
      + array("too few times", ["/t"], times: [0])
      + [
        Case(
          name: "--init: fewer than --count", program: .sample,
          words: ["--ckpt", "@run", "--init", "@a.h5", "--count", "3"], code: 65,
          parts: ["2 images", "3"], prepare: array("", []).last!.prepare),
        Case(
          name: "predict: missing input",
          words: ["predict", "--ckpt", "@run", "--input", "@no.h5", "--output", "@p.h5"], code: 66,
          parts: ["no.h5"], prepare: referenceRun),
      ]
  }

  // MARK: Imports

  private static let imports = [
    Case(
      name: "import: missing", words: ["dataset", "import", "idx", "@no", "--output", "@d.h5"],
      code: 66, parts: ["no"]),
    Case(
      name: "import: not IDX", words: ["dataset", "import", "idx", "@a", "--output", "@d.h5"],
      code: 65, parts: ["a"]
    ) { try $0.write(Array("hello, this is no IDX file".utf8), to: "a") },
    Case(
      name: "import: not CIFAR-10",
      words: ["dataset", "import", "cifar10", "@a.bin", "--output", "@d.h5"], code: 65,
      parts: ["a.bin"]
    ) { try $0.write([UInt8](repeating: 0, count: 3000), to: "a.bin") },
    Case(
      name: "import: not a number",
      words: ["dataset", "import", "csv", "@a.csv", "--output", "@d.h5"], code: 65,
      parts: ["a.csv"]
    ) { try $0.write(Array("1,2,3,4,0\n1,2,x,4,0\n".utf8), to: "a.csv") },
    Case(
      name: "import: no pictures",
      words: ["dataset", "import", "images", "@pictures", "--output", "@d.h5"], code: 65,
      parts: ["pictures"]
    ) {
      try FileManager.default.createDirectory(
        atPath: $0.file("pictures"), withIntermediateDirectories: true)
    },
    Case(
      name: "import: no array", words: ["dataset", "import", "npy", "@a.npy", "--output", "@d.h5"],
      code: 65, parts: ["a.npy: is not a .npy array"]
    ) { try $0.write(Array("hello, this is no array".utf8), to: "a.npy") },
    Case(
      name: "import: no archive",
      words: ["dataset", "import", "images", "@a.zip", "--output", "@d.h5"], code: 65,
      parts: ["a.zip: is no archive"]
    ) { try $0.write(Array("hello, this is no archive".utf8), to: "a.zip") },
    Case(
      name: "import: a damaged TIFF file",
      words: ["dataset", "import", "images", "@a.tif", "--output", "@d.h5"], code: 65,
      parts: ["a.tif"]
    ) { try $0.write([0x49, 0x49, 42, 0, 8, 0, 0, 0, 255, 255], to: "a.tif") },
    Case(
      name: "import: a size that is none",
      words: ["dataset", "import", "images", "@a", "--size", "8x", "--output", "@d.h5"], code: 64,
      parts: ["--size needs N or HxW"]),
    Case(
      name: "export: images that are not there",
      words: ["dataset", "export", "npz", "digits", "--range", "7:1798", "--output", "@a.npz"],
      code: 65, parts: ["digits: holds 1797 images"]),
    Case(
      name: "export: no range",
      words: ["dataset", "export", "npz", "digits", "--range", "7", "--output", "@a.npz"],
      code: 64, parts: ["--range needs A:B"]),
    captions(
      "of no known kind", "--captions", "@words.doc", "a", code: 64, [".txt, .jsonl, .h5"]),
    captions("missing", "--captions", "@no.txt", "a", code: 66, ["no.txt"]),
    captions("too few", "--captions", "@words.txt", "a\n", ["words.txt", "1 images", "2 in"]),
    captions("empty", "--captions", "@words.txt", "a\n \n", ["line 2", "is empty"]),
    captions("not UTF-8", "--captions", "@words.txt", "a\n\u{FFFD}\n", ["line 2", "not UTF-8"]),
    captions("no JSON", "--captions", "@words.jsonl", "\"a\"\nb\n", ["line 2", "no JSON"]),
    captions("not HDF5", "--captions", "@words.h5", "a\n", ["words.h5", "not an HDF5 file"]),
    captions("in no column", "--caption", "text", "", ["line 1 names no column text"]),
    captions("behind the columns", "--caption", "9", "", ["line 1", "field 9"]),
    Case(
      name: "captions: a column and a file",
      words: [
        "dataset", "import", "csv", "@a.csv", "--caption", "6", "--captions", "@a.txt", "--output",
        "@d.h5",
      ], code: 64, parts: ["--caption and --captions"], ranks: [nil]),
    Case(
      name: "inspect: captions that are empty", words: ["dataset", "inspect", "@d.h5"], code: 65,
      parts: ["d.h5", "/captions", "image 1 is empty"]
    ) { try captioned(["a", " "], in: $0) },
    Case(
      name: "train: captions of too few images",
      words: train(["--data", "@d.h5"]), code: 65,
      parts: ["d.h5", "/captions", "[1]", "2 images"]
    ) { try captioned(["a"], in: $0) },
  ]

  /// An import of two images with captions that are none; U+FFFD stands for a byte that is no UTF-8.
  private static func captions(
    _ name: String, _ option: String, _ value: String, _ text: String, code: Int32 = 65,
    _ parts: [String]
  ) -> Case {
    Case(
      name: "captions: \(name)",
      words: ["dataset", "import", "csv", "@a.csv", option, value, "--output", "@d.h5"],
      code: code, parts: parts, ranks: [nil]
    ) { folder in
      try folder.write(Array("1,2,3,4,0\n1,2,5,4,0\n".utf8), to: "a.csv")
      guard value.hasPrefix("@words") else { return }
      let bytes = text.unicodeScalars.flatMap { scalar -> [UInt8] in
        scalar == "\u{FFFD}" ? [0xFF] : Array(String(Character(scalar)).utf8)
      }
      try folder.write(bytes, to: String(value.dropFirst()))
    }
  }

  /// A dataset of two images, as another program would write it.
  private static func captioned(_ captions: [String], in folder: TemporaryFolder) throws {
    let file = try File.create(folder.file("d.h5"))
    let root = try file.root()
    try root.write("images", [UInt8](repeating: 0, count: 128), shape: [2, 8, 8, 1])
    try root.write("captions", strings: captions)
    try root.close()
    try file.close()
  }

  // MARK: Drawn datasets

  private static func drawing(
    _ words: [String], code: Int32 = 64, _ parts: [String], ranks: [Int?] = [nil]
  ) -> Case {
    Case(
      name: "make: \(words.joined(separator: " "))",
      words: ["dataset", "make"] + words
        + (words.contains("--output") ? [] : ["--output", "@d.h5"]),
      code: code, parts: parts, ranks: ranks)
  }

  private static let drawings = [
    drawing(["gaussian", "--count", "0"], ["--count", "1 to 10000000"], ranks: [nil, 2]),
    drawing(["coin", "--count", "10000001"], ["--count"]),
    drawing(["mixture", "--size", "9"], ["--size", "1 to 8"]),
    drawing(["mixture", "--size", "0", "--weights", "1"], ["--size", "1 to 8"]),
    drawing(["coin", "--size", "0", "--block", "1"], ["--size", "1 to 8"]),
    drawing(["gaussian", "--seed=-1"], ["-1"]),
    drawing(["gaussian", "--deviation", "0"], ["--deviation", "at least 0.001"]),
    drawing(["gaussian", "--deviation=-0.1"], ["--deviation", "at least 0.001"]),
    drawing(["gaussian", "--deviation", "nan"], ["--deviation", "at least 0.001"]),
    drawing(["gaussian", "--deviation", "0.5"], ["--deviation 0.5", "--mean 0.2", "-1 to 1"]),
    drawing(["gaussian", "--mean", "nan"], ["--mean needs a number"]),
    drawing(["gaussian", "--mean", "1"], ["--mean 1.0", "-1 to 1"]),
    drawing(["gaussian", "--correlation", "1"], ["--correlation", "0.99"]),
    drawing(["gaussian", "--correlation", "nan"], ["--correlation", "0.99"]),
    drawing(["mixture", "--deviation", "0"], ["--deviation", "at least 0.001"]),
    drawing(["mixture", "--contrast", "0"], ["--contrast", "above 0"]),
    drawing(["mixture", "--contrast", "0.9"], ["--contrast 0.9", "-1 to 1"]),
    drawing(["mixture", "--weights", "1,2"], ["--weights needs 5 numbers", "cross"]),
    drawing(["mixture", "--weights", "1,2,3,4,x"], ["--weights"]),
    drawing(["mixture", "--weights", "1,2,3,4,0"], ["--weights"]),
    drawing(["mixture", "--weights", "1,1", "--size", "2"], ["4 numbers"]),
    drawing(["coin", "--probability", "0"], ["--probability", "between 0 and 1"]),
    drawing(["coin", "--probability", "1"], ["--probability"]),
    drawing(["coin", "--probability", "nan"], ["--probability"]),
    drawing(["coin", "--block", "3"], ["--block", "divisor", "8"]),
    drawing(["coin", "--block", "0"], ["--block"]),
    drawing(["digit-scenes", "--count", "0"], ["--count", "1 to 10000000"], ranks: [nil, 2]),
    drawing(["digit-scenes", "--part", "train"], ["'train'"]),
    drawing(["digit-scenes", "--output", "@d.png"], ["--output", ".h5"]),
    drawing(["coloured-digits", "--language", "latin"], ["'latin'"]),
    drawing(["coloured-digits", "--size", "8"], ["--size"]),
  ]
}
