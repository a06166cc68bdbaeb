// Wrong calls about what images show: classes that are not there, guidance to nowhere.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport

extension RefusalTests {
  /// Everything that is refused of conditions.
  static var conditions: [Case] {
    conditionWords + conditionSettings + plainModel + classModel
  }

  private static let conditionWords = [
    ("a guidance below nothing", ["--guidance=-1"], ["--guidance", "0 to 1000"]),
    ("a guidance of no number", ["--guidance", "nan"], ["--guidance"]),
    ("a rescaling beyond all", ["--guidance", "2", "--guidance-rescale", "1.5"], ["0 to 1"]),
    ("an interval backwards", ["--guidance-interval", "3,1"], ["'3,1'"]),
    ("an interval without guidance", ["--guidance-interval", "1,3"], ["needs a --guidance"]),
    ("a guide without guidance", ["--guide-with", "x"], ["needs a --guidance"]),
    ("a class and a prompt", ["--class", "7", "--prompt", "a"], ["--class and --prompt exclude"]),
    ("a prompt of nothing", ["--prompt", " "], ["--prompt needs words"]),
  ].map { name, words, parts in
    Case(
      name: "sample: \(name)", program: .sample, words: ["--ckpt", "x"] + words, code: 64,
      parts: parts, ranks: [nil])
  }

  private static let conditionSettings = [
    Case(
      name: "train: an unknown condition", words: train([], ["condition=colour"]), code: 64,
      parts: ["condition", "none", "class"], ranks: [nil]),
    Case(
      name: "train: a drop beyond all", words: train([], ["condition=class", "label_drop=1.1"]),
      code: 64, parts: ["label_drop"], ranks: [nil]),
    Case(
      name: "train: names without classes", words: train([], ["class_names=[a,b]"]), code: 64,
      parts: ["class_names", "condition=class"], ranks: [nil]),
    Case(
      name: "train: names twice", words: train([], ["condition=class", "class_names=[a,a]"]),
      code: 64, parts: ["class_names", "none twice"], ranks: [nil]),
    Case(
      name: "train: other names than the dataset's",
      words: train([], ["condition=class", "class_names=[a,b]"]), code: 64,
      parts: ["class_names", "a, b"]),
    Case(
      name: "train: classes of a dataset without labels",
      words: train(["--data", "@plain.h5"], ["condition=class", "batch=4"]), code: 65,
      parts: ["plain.h5", "no labels", "condition"],
      prepare: { try write("plain.h5", labels: nil, in: $0) }),
    Case(
      name: "train: captions of a dataset without any", words: train([], ["condition=text"]),
      code: 65, parts: ["no captions", "condition"]),
    Case(
      name: "train: pairs that are none",
      words: train(
        ["--data", "@words.h5"],
        ["condition=text", "token_pairs=[1, 300]", "channels=16", "batch=4"]), code: 64,
      parts: ["token_pairs", "merge 0"], ranks: [nil],
      prepare: { try write("words.h5", labels: nil, captions: true, in: $0) }),
    Case(
      name: "train: CLIP without its file",
      words: train(
        ["--data", "@words.h5"], ["condition=text", "text_encoder=clip", "batch=4"]), code: 64,
      parts: ["text_encoder_file", "clip"], ranks: [nil],
      prepare: { try write("words.h5", labels: nil, captions: true, in: $0) }),
    Case(
      name: "train: a CLIP that is none",
      words: train(
        ["--data", "@words.h5"],
        [
          "condition=text", "text_encoder=clip", "batch=4", "text_encoder_file=@words.h5",
          "text_vocabulary=@words.h5",
        ]), code: 65, parts: ["words.h5"], ranks: [nil],
      prepare: { try write("words.h5", labels: nil, captions: true, in: $0) }),
    Case(
      name: "train: captions longer than the context",
      words: train(
        ["--data", "@words.h5"], ["condition=text", "context=3", "channels=16", "batch=4"]),
      code: 65, parts: ["words.h5", "tokens", "context"],
      prepare: { try write("words.h5", labels: nil, captions: true, in: $0) }),
    Case(
      name: "train: an encoder of odd width",
      words: train(
        ["--data", "@words.h5"], ["condition=text", "text_width=40", "channels=16", "batch=4"]),
      code: 64, parts: ["multiple of 16"], ranks: [nil],
      prepare: { try write("words.h5", labels: nil, captions: true, in: $0) }),
    Case(
      name: "train: a dataset's names twice",
      words: train(["--data", "@twice.h5"], ["condition=class", "batch=4"]), code: 65,
      parts: ["twice.h5", "class names", "'a' stands twice"], ranks: [nil],
      prepare: { try write("twice.h5", labels: [0, 1, 2, 0], names: ["a", "a", "b"], in: $0) }),
    Case(
      name: "train: names that YAML would change",
      words: train(["--data", "@mark.h5"], ["condition=class", "batch=4"]), code: 65,
      parts: ["mark.h5", "control character"], ranks: [nil],
      prepare: { try write("mark.h5", labels: [0, 1, 1, 0], names: ["\u{FEFF}a", "b"], in: $0) }),
    Case(
      name: "train: too few names for the labels",
      words: train(["--data", "@far.h5"], ["condition=class", "class_names=[a,b]", "batch=4"]),
      code: 64, parts: ["class_names", "far.h5", "class 5"],
      prepare: { try write("far.h5", labels: [0, 1, 5, 0], in: $0) }),
  ]

  /// A model that is not told what images show.
  private static let plainModel = [
    (["--class", "7"], ["without a condition", "--class"]),
    (["--prompt", "a seven"], ["without a condition", "--prompt"]),
    (["--guidance", "2"], ["nothing to guide to", "--guidance"]),
  ].map { words, parts in
    Case(
      name: "sample: \(words[0]) of a plain model", program: .sample,
      words: ["--ckpt", "@run"] + words, code: 64, parts: parts,
      prepare: { _ = try await SmallRun.reference.value.copy(to: $0.file("run")) })
  }

  /// A run of the digits with classes.
  private static let classRun = Task {
    let run = SmallRun("\(sharedFolder.path)/classes")
    let outcome = try await run.train(
      ["--steps", "2", "--workers", "1"], settings: ["condition=class", "label_drop=0"])
    guard outcome.status == 0 else { throw CocoaError(.featureUnsupported) }
    return run
  }

  private static let classModel = [
    told(
      "an unknown class", .sample, ["--ckpt", "@run", "--class", "seven"], 64,
      ["--class seven", "no such class", "0 to 9"]),
    told(
      "a class beyond the last", .sample, ["--ckpt", "@run", "--class", "10"], 64,
      ["--class 10", "no such class"]),
    told(
      "guidance to no class", .sample, ["--ckpt", "@run", "--guidance", "2"], 64,
      ["--guidance", "--class"]),
    told(
      "guidance of a model that was always told", .sample,
      ["--ckpt", "@run", "--class", "7", "--guidance", "2"], 64, ["label_drop 0"]),
    told(
      "a prompt", .sample, ["--ckpt", "@run", "--prompt", "a seven"], 64,
      ["--prompt", "told classes", "--class"]),
    told(
      "prompts that are not there", .sample, ["--ckpt", "@run", "--prompts", "@no.txt"], 66,
      ["no.txt"]),
    told(
      "prompts that are no text", .sample, ["--ckpt", "@run", "--prompts", "@plain.h5"], 65,
      ["plain.h5", "UTF-8"]),
    told(
      "no guide there", .sample,
      ["--ckpt", "@run", "--class", "7", "--guidance", "2", "--guide-with", "@no.h5"], 66,
      ["no.h5"]),
    told(
      "other classes", .dist, ["evaluate", "--ckpt", "@run", "--data", "@named.h5"], 65,
      ["named.h5", "other classes", "'a'"]),
    told(
      "no labels", .dist, ["evaluate", "--ckpt", "@run", "--data", "@plain.h5"], 65,
      ["plain.h5", "no labels"]),
    told(
      "labels of predictions beyond the last", .dist,
      ["predict", "--ckpt", "@run", "--input", "@x.h5", "--output", "@y.h5"], 65,
      ["x.h5", "/labels[1] is 10", "0 to 9"]),
  ]

  private static func told(
    _ name: String, _ program: Program, _ words: [String], _ code: Int32, _ parts: [String]
  ) -> Case {
    Case(
      name: "classes: \(name)", program: program, words: words, code: code, parts: parts,
      ranks: [nil],
      prepare: { folder in
        _ = try await classRun.value.copy(to: folder.file("run"))
        try write("plain.h5", labels: nil, in: folder)
        try write("named.h5", labels: [0, 1, 1, 0], names: ["a", "b"], in: folder)
        let file = try File.create(folder.file("x.h5"))
        let root = try file.root()
        try root.write("x_t", [Float](repeating: 0, count: 128), shape: [2, 8, 8, 1])
        try root.write("t", [Int64(0), 1])
        try root.write("labels", [Int64(-1), 10])
        try root.close()
        try file.close()
      })
  }

  /// Four black images of the digits' size.
  @Sendable private static func write(
    _ name: String, labels: [Int]?, names: [String]? = nil, captions: Bool = false,
    in folder: TemporaryFolder
  ) throws {
    let writer = try ImageDatasetWriter(
      output: folder.file(name), shape: ImageShape(height: 8, width: 8, channels: 1),
      format: .levels(17), name: "x", classNames: names,
      captionsPerImage: captions ? 1 : 0)
    try writer.append(
      images: [UInt8](repeating: 0, count: 256), labels: labels,
      captions: captions ? (0..<4).map { ["number \($0)"] } : nil)
    _ = try writer.finish()
  }
}
