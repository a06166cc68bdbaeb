// Wrong calls around diffusers' folders: what may not be replaced, what ours cannot be, what does not fit.

import Foundation
import Storage
import TestSupport

extension RefusalTests {
  /// Everything that is refused of exports, imports and first weights.
  static var diffusers: [Case] { exports + modelImports + firstWeights }

  private static func wrong(
    _ name: String, _ words: [String], code: Int32, _ parts: [String], ranks: [Int?] = [nil],
    _ change: @escaping @Sendable (TemporaryFolder) throws -> Void = { _ in }
  ) -> Case {
    Case(name: "diffusers: \(name)", words: words, code: code, parts: parts, ranks: ranks) {
      try await CommandCall.prepare($0)
      try change($0)
    }
  }

  private static let export = ["export", "diffusers", "@run", "@pipeline"]

  private static let exports = [
    wrong(
      "one is there", export, code: 73, ["pipeline", "not replaced", "--force"], ranks: [nil, 2]),
    wrong("a diary", export + ["--force"], code: 73, ["pipeline", "other files"]) {
      try $0.write([1], to: "pipeline/diary.txt")
    },
    wrong(
      "a run", ["export", "diffusers", "@run", "@kept", "--force"], code: 73,
      ["kept", "other files"]),
    wrong("a file", ["export", "diffusers", "@run", "@a.csv"], code: 73, ["a.csv", "no folder"]),
    wrong(
      "below a file", ["export", "diffusers", "@run", "@a.csv/b"], code: 73,
      ["a.csv/b", "cannot be created"]),
    wrong(
      "where nobody writes", ["export", "diffusers", "@run", "/proc/out"], code: 73,
      ["/proc/out", "cannot be created"]),
    wrong("no run", ["export", "diffusers", "@none", "@out"], code: 66, ["none"]),
    wrong("a dataset", ["export", "diffusers", "@data.h5", "@out"], code: 65, ["data.h5"]),
    wrong(
      "no such weights", ["export", "diffusers", "@run", "@out", "--weights", "average_0.1"],
      code: 65, ["no weights average_0.1"]),
  ]

  private static let modelImport = ["import", "diffusers", "@pipeline", "--output", "@out.h5"]

  private static let modelImports = [
    wrong(
      "another padding", modelImport, code: 65,
      ["unet/config.json", "downsample_padding is 1; this program knows 0 only"],
      ranks: [nil, 2]
    ) {
      let path = $0.file("pipeline/unet/config.json")
      let text = try String(contentsOfFile: path, encoding: .utf8)
      try text.replacing("\"downsample_padding\" : 0", with: "\"downsample_padding\" : 1")
        .write(toFile: path, atomically: true, encoding: .utf8)
    },
    wrong(
      "another size", modelImport + ["--size", "16"], code: 65,
      ["unet/config.json", "sample_size is", "leave out --size 16x16"]),
    wrong("an end that is missing", modelImport, code: 65, ["safetensors", "is damaged"]) {
      let name = "pipeline/unet/diffusion_pytorch_model.safetensors"
      try $0.write(Array($0.bytes(name).dropLast()), to: name)
    },
    wrong(
      "no folder", ["import", "diffusers", "@none", "--output", "@out.h5"], code: 66, ["none"]),
    wrong(
      "a file", ["import", "diffusers", "@data.h5", "--output", "@out.h5"], code: 65,
      ["data.h5", "no folder"]),
    wrong(
      "a run", ["import", "diffusers", "@run", "--output", "@out.h5"], code: 66,
      ["no folder of a diffusers model"]),
    wrong(
      "names of no classes", modelImport + ["--class-names", "a,b"], code: 64,
      ["--class-names", "no classes"]),
    wrong("levels", modelImport + ["--levels", "1"], code: 64, ["--levels needs 2 to 65536"]),
    wrong("a size", modelImport + ["--size", "8x"], code: 64, ["--size needs one or two numbers"]),
  ]

  private static func begin(_ source: String, _ options: [String] = [], _ settings: [String] = [])
    -> [String]
  {
    ["train", "--run", "@new", "--init-from", source, "--steps", "2"] + options
      + SmallRun.words(settings, beside: ["--steps"])
  }

  private static let firstWeights = [
    wrong(
      "weights of another width", begin("@run", [], ["channels=16"]), code: 65,
      ["temb/dense0/W", "channels is 16 here and 8 there"], ranks: [nil, 2]),
    wrong(
      "a folder of another width", begin("@pipeline", [], ["channels=16"]), code: 65,
      ["temb/dense0/W", "channels is 16 here and 8 there"]),
    wrong(
      "weights without classes", begin("@run", [], ["condition=class"]), code: 65,
      ["class_embedding/W", "condition is class here and none there"]),
    wrong("no weights", begin("@none"), code: 66, ["none"]),
    wrong("weights of a dataset", begin("@data.h5"), code: 65, ["data.h5"]),
  ]
}
