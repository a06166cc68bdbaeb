// The tensors of a UNet2DModel in one file or several.

import Layers
import Storage

/// The weights of a folder: files that are open, and which tensor is in which.
struct DiffusersWeights {
  private final class Part {
    let file: Safetensors

    init(_ path: String) throws(StorageError) { file = try Safetensors(path: path) }
  }

  /// The most tensors that are read: more than a UNet of a hundred blocks a resolution has.
  private static let mostTensors = 20_000

  /// The first file, for messages.
  let path: String
  /// What the first file says beside its tensors.
  let metadata: [String: String]
  private var parts: [String: Part] = [:]

  /// Opens the files.
  ///
  /// - Throws: `StorageError`, also where two files have a tensor of one name.
  init(_ paths: [String]) throws(StorageError) {
    precondition(!paths.isEmpty, "Weights are in at least one file.")
    var first: Part?
    for path in paths {
      let part = try Part(path)
      first = first ?? part
      for name in part.file.entries.keys.sorted() {
        guard parts.updateValue(part, forKey: name) == nil else {
          throw .badData(
            path: path,
            reason: "holds the tensor \(JSONValue.text(name).shown), which another file has too")
        }
        guard parts.count <= Self.mostTensors else {
          throw .badData(
            path: path, reason: "has more than \(Self.mostTensors) tensors, the most that are read")
        }
      }
    }
    (path, metadata) = (paths[0], first!.file.metadata)
  }

  /// Requires that there are as many tensors as a network has blocks, before it is made.
  ///
  /// - Throws: `.badData`.
  func requireRoom(for network: UNetConfiguration, _ path: String) throws(StorageError) {
    // Eight tensors or more in each residual block.
    guard 8 * network.multipliers.count * (2 * network.blocks + 1) > parts.count else { return }
    throw .badData(
      path: path,
      reason: "describes a network of more blocks than the \(parts.count) tensors of "
        + "\(self.path) make")
  }

  /// The scalars of all tensors of a network, in our order.
  ///
  /// - Parameters:
  ///   - tensors: All of the network's tensors.
  ///   - count: How many scalars they have.
  /// - Throws: `.badData` that names the first tensor that is missing, has other extents, or is not the
  ///   network's.
  func read(_ tensors: [DiffusersTensor], count: Int) throws(StorageError) -> [Float] {
    var found: [(tensor: DiffusersTensor, name: String, part: Part)] = []
    for tensor in tensors {
      let names = [tensor.name, tensor.oldName].compactMap(\.self)
      guard let name = names.first(where: { parts[$0] != nil }), let part = parts[name] else {
        throw .badData(
          path: path, reason: "holds no tensor \(tensor.name), which config.json describes")
      }
      let shape = part.file.entries[name]!.shape
      guard tensor.fits(shape) || Self.lacksNoClass(tensor, shape) else {
        throw .badData(
          path: part.file.path,
          reason: "holds the tensor \(name) of the extents \(shape), where config.json describes "
            + "\(tensor.shape)")
      }
      found.append((tensor, name, part))
    }
    let names = Set(found.map(\.name))
    if let other = parts.keys.filter({ !names.contains($0) }).min() {
      throw .badData(
        path: parts[other]!.file.path,
        reason:
          "holds the tensor \(JSONValue.text(other).shown), which the network of its config.json does "
          + "not have")
    }
    var scalars = [Float](repeating: 0, count: count)
    for (tensor, name, part) in found {
      var values = try part.file.values(name)
      // A class that is none adds nothing.
      values += Array(repeating: 0, count: tensor.entry.range.count - values.count)
      scalars.replaceSubrange(tensor.entry.range, with: tensor.imported(values))
    }
    return scalars
  }

  /// Whether a table has a row for each class and none for no class.
  private static func lacksNoClass(_ tensor: DiffusersTensor, _ shape: [Int]) -> Bool {
    tensor.name == "class_embedding.weight" && shape == [tensor.shape[0] - 1, tensor.shape[1]]
  }
}
