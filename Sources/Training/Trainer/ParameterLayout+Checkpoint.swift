// Whether the tensors of a checkpoint are those of a model.

import Layers
import Storage
import Tensors

extension ParameterLayout {
  /// Refuses a checkpoint whose tensors are not those of this layout.
  ///
  /// - Throws: `StorageError.badData` that names the first tensor that differs.
  package func require(of checkpoint: Checkpoint, path: String) throws(StorageError) {
    guard let difference = difference(from: checkpoint.layout) else { return }
    throw .badData(
      path: path, reason: "is a checkpoint of another architecture: \(difference)")
  }

  /// The first tensor in which two layouts differ, as a sentence; nil where they are equal.
  private func difference(from other: ParameterLayout) -> String? {
    for (own, found) in zip(entries, other.entries) where own != found {
      return "its tensor \(found.name) of shape \(found.shape) stands where its configuration "
        + "wants \(own.name) of shape \(own.shape)."
    }
    guard entries.count == other.entries.count else {
      return "it has \(other.entries.count) tensors, its configuration wants \(entries.count)."
    }
    return nil
  }
}
