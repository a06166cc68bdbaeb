// Where the files of a diffusers pipeline are.

import Foundation
import Storage

/// A folder of a model of diffusers: a pipeline with `unet/` and `scheduler/`, or all files at its top,
/// as a single model and the oldest pipelines have them.
struct DiffusersFolder {
  /// The folder, as the user named it.
  let path: String
  /// The network's configuration.
  let network: String
  /// The scheduler's configuration; nil where there is none.
  let scheduler: String?
  /// The folder of the weights.
  let weights: String

  static let index = "model_index.json"
  static let config = "config.json"
  static let schedulerConfig = "scheduler_config.json"
  static let safetensors = "diffusion_pytorch_model.safetensors"
  static let card = "README.md"

  /// The names of all files that an export writes, by their folder.
  private static let written: [String: Set<String>] = [
    "": [index, card, "unet", "scheduler"], "unet": [config, safetensors],
    "scheduler": [schedulerConfig],
  ]

  /// Whether a path is that of a folder of diffusers.
  static func fits(_ path: String) -> Bool {
    isFile("\(path)/\(index)") || isFile("\(path)/\(config)") || isFile("\(path)/unet/\(config)")
  }

  /// Finds the files of a folder.
  ///
  /// - Throws: `.missingInput` where there is no folder, or no configuration of a network in it.
  init(_ path: String) throws(StorageError) {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw .missingInput(path: path, reason: "there is no folder of this name")
    }
    guard isFolder.boolValue else {
      throw .badData(path: path, reason: "is no folder; name the folder of a diffusers model")
    }
    self.path = path
    if Self.isFile("\(path)/unet/\(Self.config)") {
      weights = "\(path)/unet"
    } else {
      guard Self.isFile("\(path)/\(Self.config)") else {
        throw .missingInput(
          path: path,
          reason: "is no folder of a diffusers model: it has neither unet/\(Self.config) nor "
            + Self.config)
      }
      weights = path
    }
    network = "\(weights)/\(Self.config)"
    try Self.requirePipeline("\(path)/\(Self.index)")
    scheduler = ["\(path)/scheduler", path].map { "\($0)/\(Self.schedulerConfig)" }
      .first(where: Self.isFile)
  }

  /// The pipelines whose network denoises images; others denoise latents, or are told more.
  private static let pipelines = ["DDPMPipeline", "DDIMPipeline", "PNDMPipeline"]

  /// Requires such a pipeline, where there is an index of one.
  private static func requirePipeline(_ index: String) throws(StorageError) {
    guard isFile(index) else { return }
    try DiffusersSettings(path: index)
      .require("_class_name", .text(pipelines[0]), pipelines.map { .text($0) })
  }

  /// The files of the weights: one, or those that an index names.
  ///
  /// - Throws: `StorageError`, of files of pickled Python with a sentence that says how to convert them.
  func weightFiles() throws(StorageError) -> [String] {
    let single = "\(weights)/\(Self.safetensors)"
    if Self.isFile(single) { return [single] }
    let index = "\(single).index.json"
    if Self.isFile(index) { return try Self.shards(index).map { "\(weights)/\($0)" } }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: weights)) ?? []
    let pickle = names.sorted().first { name in
      [".bin", ".pt", ".pth", ".ckpt"].contains { name.hasSuffix($0) }
    }
    if let pickle {
      throw .badData(
        path: "\(weights)/\(pickle)",
        reason:
          "is pickled Python, which may run anything when it is read, and is not read; convert it "
          + "where you trust it: python -c \"from diffusers import UNet2DModel; "
          + "UNet2DModel.from_pretrained('\(weights)').save_pretrained('\(weights)')\"")
    }
    throw .missingInput(path: weights, reason: "there is no \(Self.safetensors) in this folder")
  }

  /// The names of the files that an index names.
  private static func shards(_ path: String) throws(StorageError) -> [String] {
    let object = try JSONValue.object(ofFile: path, role: "an index of weights")
    guard case .object(let map) = object["weight_map"] ?? .null, !map.isEmpty else {
      throw .badData(path: path, reason: "has no weight_map, which names the files of the tensors")
    }
    var names: Set<String> = []
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    for (tensor, file) in map {
      guard let name = file.text, name.hasSuffix(".safetensors"), !name.contains("/") else {
        throw .badData(
          path: path,
          reason:
            "names \(file.shown) for the tensor \(JSONValue.text(tensor).shown); a .safetensors "
            + "file beside it is needed")
      }
      guard names.contains(name) || isFile("\(folder)/\(name)") else {
        throw .badData(
          path: path, reason: "names \(file.shown), and there is no such file beside it")
      }
      names.insert(name)
    }
    guard names.count <= 1000 else {
      throw .badData(path: path, reason: "names \(names.count) files; 1000 are possible")
    }
    return names.sorted()
  }

  /// Whether a folder holds nothing but what an export has written.
  static func isOurs(_ path: String) -> Bool {
    for (folder, names) in written {
      let found = try? FileManager.default.contentsOfDirectory(atPath: "\(path)/\(folder)")
      guard let found, names.isSuperset(of: found) else { return false }
    }
    guard let file = try? Safetensors(path: "\(path)/unet/\(safetensors)") else { return false }
    return file.metadata[DiffusersRecord.key] != nil
  }

  private static func isFile(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && !isFolder.boolValue
  }
}
