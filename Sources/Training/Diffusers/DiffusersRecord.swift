// What our checkpoint knows and diffusers' files have no place for.

import Foundation
import Storage

/// What an exported file of weights says beside its tensors, so that an import is the model again:
/// grey levels, names of classes, and how it was trained.
///
/// It stands in the metadata of the safetensors file, as JSON. Where it contradicts the configurations
/// of diffusers, they count.
struct DiffusersRecord: Codable, Equatable {
  /// The key of the metadata.
  static let key = "ddpm-dist"

  /// The configuration in the checkpoint, YAML text.
  var configuration: String
  /// The number of finished steps.
  var step: Int
  /// The loss of the last of them; nil where it is not known.
  var loss: Double?
  /// Which of the checkpoint's weights these are.
  var weights: String
  /// The name of the dataset's file; nil where it is not known.
  var dataset: String?
  /// The checksum of the images; nil where it is not known.
  var datasetHash: String?

  /// The record as text.
  var text: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let bytes = try? encoder.encode(self) else {
      preconditionFailure("Texts and finite numbers can always be written.")
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The metadata of a file with this record; `format` is what readers of PyTorch's tensors ask for.
  var metadata: [String: String] { ["format": "pt", Self.key: text] }

  init(
    configuration: String, step: Int, loss: Double?, weights: String, dataset: String?,
    datasetHash: String?
  ) {
    (self.configuration, self.step, self.loss) = (configuration, step, loss)
    (self.weights, self.dataset, self.datasetHash) = (weights, dataset, datasetHash)
  }

  /// The record of a file; nil where it has none.
  ///
  /// - Throws: `.badData` for one that is none.
  init?(_ metadata: [String: String], path: String) throws(StorageError) {
    guard let text = metadata[Self.key] else { return nil }
    do {
      self = try JSONDecoder().decode(Self.self, from: Data(text.utf8))
    } catch {
      throw .badData(
        path: path, reason: "is damaged: its metadata \(Self.key) are not such a record")
    }
    guard 0...Int(Int32.max) ~= step else {
      throw .badData(path: path, reason: "is damaged: its metadata tell of \(step) steps")
    }
  }
}
