// Whole folders: what diffusers saved is our model, and what we write is what we read.

import Foundation
import Layers
import Models
import Storage
import Tensors
import TestSupport
import Testing
import Training

@Suite struct DiffusersFolderTests {
  private let folder = try! TemporaryFolder()
  private let recorded = Bundle.module.resourceURL!.appendingPathComponent("diffusers").path

  /// A copy of the recorded pipeline that may be changed.
  private func copy() throws -> String {
    let path = folder.file("copy")
    try? FileManager.default.removeItem(atPath: path)
    try FileManager.default.copyItem(atPath: recorded, toPath: path)
    return path
  }

  /// The options of the recorded pipeline: of its four rows, the last stands for no class.
  private var options: DiffusersImport.Options {
    var options = DiffusersImport.Options()
    options.classNames = ["a", "b", "c"]
    return options
  }

  private func files(_ path: String) throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
      files[name] = FileManager.default.contents(atPath: "\(path)/\(name)")
    }
    return files
  }

  /// The network of a folder that diffusers has saved answers what it answered there.
  @Test func itsNetworkIsOurs() throws {
    let found = try DiffusersImport(folder: recorded, options)
    #expect(found.notes.isEmpty)
    let configuration = try Configuration.described(
      in: found.checkpoint.configuration, path: "a")
    #expect(configuration.diffusion.schedule == .cosine && configuration.diffusion.steps == 30)
    #expect(configuration.network.heads == 2 && configuration.network.attention == [4])
    #expect(configuration.conditioning.classNames == ["a", "b", "c"])
    let model = try #require(try configuration.model() as? DenoisingDiffusion)
    let trained = TrainedModel(model, weights: found.checkpoint.model, configuration.data)
    let answers = try Safetensors(path: "\(recorded)/answers.safetensors")
    let (x, y) = (try answers.values("x"), try answers.values("y"))
    let times = try answers.values("t").map { Int($0) }
    let conditions = try answers.values("labels").map {
      $0 == 3 ? Condition.none : .label(Int($0))
    }
    let pool = BufferPool()
    let output = model.output(
      Tensor(Shape(8, 8, 4, 2), x, in: pool), times: times, conditions: conditions,
      trained.makePass(pool))
    #expect(output.scalars.count == y.count && y.contains { abs($0) > 0.5 })
    for (own, theirs) in zip(output.scalars, y) { #expect(abs(own - theirs) < 1e-4) }
  }

  /// A checkpoint that every reader of ours takes.
  @Test func theCheckpointIsGood() throws {
    let path = folder.file("a.h5")
    try DiffusersImport(folder: recorded, options).checkpoint.write(to: path)
    let read = try CheckpointList.good(path)
    #expect(read.progress.step == 0 && read.model == read.ema && read.firstMoment.isEmpty)
  }

  /// Export, import and export again: the same bytes; and a cut of the way in between.
  @Test func againGivesEqualBytes() throws {
    let (first, second) = (folder.file("first"), folder.file("second"))
    let (a, b) = (folder.file("a.h5"), folder.file("b.h5"))
    try DiffusersImport(folder: recorded, options).checkpoint.write(to: a)
    try DiffusersExport(checkpoint: a, .ema) { _ in }.write(to: first)
    let found = try DiffusersImport(folder: first)
    try found.checkpoint.write(to: b)
    try DiffusersExport(checkpoint: b, .ema) { _ in }.write(to: second)
    let written = try files(first)
    #expect(try files(second) == written)
    #expect(
      written.keys.filter { $0.contains(".") }.sorted() == [
        "README.md", "model_index.json", "scheduler/scheduler_config.json", "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
      ])
    let original = try DiffusersImport(folder: recorded, options).checkpoint
    #expect(found.checkpoint.model == original.model && found.checkpoint.facts == original.facts)
    #expect(found.checkpoint.configuration == original.configuration)
    #expect(try folder.names() == ["a.h5", "b.h5", "first", "second"])
    let card = String(decoding: written["README.md"]!, as: UTF8.self)
    for part in ["license: unknown  # fill in", "class_labels=labels", "0 a, 1 b, 2 c; 3 stands"] {
      #expect(card.contains(part))
    }
  }

  /// What diffusers says counts, where our record says something else.
  @Test func configurationsCountMoreThanTheRecord() throws {
    let (a, out) = (folder.file("a.h5"), folder.file("out"))
    try DiffusersImport(folder: recorded, options).checkpoint.write(to: a)
    try DiffusersExport(checkpoint: a, .ema) { _ in }.write(to: out)
    let path = "\(out)/scheduler/scheduler_config.json"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    try text.replacing("v_prediction", with: "sample")
      .write(toFile: path, atomically: true, encoding: .utf8)
    #expect(try DiffusersImport(folder: out).checkpoint.facts?.texts["prediction"] == "clean")
  }

  @Test func damagedFoldersAreRefused() throws {
    let weights = "unet/diffusion_pytorch_model.safetensors"
    func expect(_ part: String, _ change: (String) throws -> Void) throws {
      let path = try copy()
      try change(path)
      let error = #expect(throws: StorageError.self) {
        try DiffusersImport(folder: path, options)
      }
      #expect(error?.description.contains(part) == true, "\(String(describing: error))")
      #expect(error?.description.contains("\n") == false)
    }
    func change(_ name: String, _ old: String, _ new: String) -> (String) throws -> Void {
      { path in
        let text = try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8)
        try text.replacing(old, with: new).write(
          toFile: "\(path)/\(name)", atomically: true, encoding: .utf8)
      }
    }
    try expect("neither unet/config.json nor config.json") {
      try FileManager.default.removeItem(atPath: "\($0)/unet")
    }
    try expect("there is no diffusion_pytorch_model.safetensors") {
      try FileManager.default.removeItem(atPath: "\($0)/\(weights)")
    }
    try expect("is pickled Python") {
      let name = "\($0)/unet/diffusion_pytorch_model"
      try FileManager.default.moveItem(atPath: "\(name).safetensors", toPath: "\(name).bin")
    }
    try expect(
      "more blocks than",
      change("unet/config.json", "\"layers_per_block\": 1", "\"layers_per_block\": 99"))
    try expect(
      "holds no tensor down_blocks.0.resnets.1",
      change("unet/config.json", "\"layers_per_block\": 1", "\"layers_per_block\": 2"))
    try expect(
      "describes no model of ours",
      change("unet/config.json", "\"norm_num_groups\": 2", "\"norm_num_groups\": 3"))
    try expect(
      "holds the tensor conv_in.weight of the extents [4, 2, 3, 3]"
    ) { path in
      try change("unet/config.json", "\"in_channels\": 2,", "\"in_channels\": 4,")(path)
      try change("unet/config.json", "\"out_channels\": 4,", "\"out_channels\": 8,")(path)
    }
    try expect("has no weight_map") {
      try FileManager.default.moveItem(
        atPath: "\($0)/\(weights)", toPath: "\($0)/\(weights).1.safetensors")
      try Data("{}".utf8).write(to: URL(fileURLWithPath: "\($0)/\(weights).index.json"))
    }
    try expect("names \"../a.safetensors\"") {
      try FileManager.default.removeItem(atPath: "\($0)/\(weights)")
      try Data(#"{"weight_map":{"a":"../a.safetensors"}}"#.utf8)
        .write(to: URL(fileURLWithPath: "\($0)/\(weights).index.json"))
    }
    let error = #expect(throws: ConfigurationError.self) {
      var options = DiffusersImport.Options()
      options.classNames = ["a"]
      _ = try DiffusersImport(folder: recorded, options)
    }
    #expect(error?.description.contains("4 rows") == true)
  }

  /// A folder with a diary in it is nobody's to replace.
  @Test func whatMayBeReplaced() throws {
    let (a, out) = (folder.file("a.h5"), folder.file("out"))
    try DiffusersImport(folder: recorded, options).checkpoint.write(to: a)
    let export = try DiffusersExport(checkpoint: a, .ema) { _ in }
    func refusal(isForced: Bool) -> String? {
      do throws(StorageError) {
        try DiffusersExport.check(target: out, isForced: isForced)
        return nil
      } catch { return error.description }
    }
    #expect(refusal(isForced: false) == nil)
    try FileManager.default.createDirectory(atPath: out, withIntermediateDirectories: false)
    #expect(refusal(isForced: false) == nil)
    try export.write(to: out)
    #expect(refusal(isForced: false)?.contains("is not replaced") == true)
    #expect(refusal(isForced: true) == nil)
    try export.write(to: out + "/")
    #expect(try folder.names() == ["a.h5", "out"])
    try Data().write(to: URL(fileURLWithPath: "\(out)/scheduler/diary"))
    #expect(refusal(isForced: true)?.contains("holds other files") == true)
  }
}
