// The whole state of a trainer, by way of the file that a run would write.

import Foundation
import Storage
import Testing
import Training

extension Trainer {
  /// The checkpoint of this step with its tensors; collective.
  ///
  /// - Returns: The checkpoint on rank 0, nil elsewhere.
  func wholeCheckpoint(provenance: [String: String] = [:]) throws -> Checkpoint? {
    try written(
      open: { path throws(StorageError) in
        try checkpoint(provenance: provenance).file(at: path, averages: averageLengths)
      }, write: writeTensors
    ) { path in
      try Checkpoint.decode(Array(#require(FileManager.default.contents(atPath: path))))
    }
  }

  /// The power averages of this step, with all elements; collective.
  ///
  /// - Returns: The snapshot on rank 0, nil elsewhere.
  func wholeSnapshot() throws -> AverageSnapshot? {
    try written(
      open: { path throws(StorageError) in
        try averageSnapshot.file(at: path, averages: averageLengths)
      }, write: writeAverages
    ) { path in
      try AverageSnapshot.read(path: path)
    }
  }

  /// Writes a file on rank 0, of what is gathered, and reads it.
  private func written<Content>(
    open: (_ path: String) throws(StorageError) -> TensorFile, write: (TensorFile?) throws -> Void,
    read: (_ path: String) throws -> Content
  ) throws -> Content? {
    let path = NSTemporaryDirectory() + "trainer-\(UUID().uuidString).h5"
    let file = exchange.communicator.rank == 0 ? try open(path) : nil
    try write(file)
    guard let file else { return nil }
    defer { unlink(path) }
    try file.finish()
    return try read(path)
  }
}
