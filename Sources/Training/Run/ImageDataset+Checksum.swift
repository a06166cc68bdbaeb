// The images of a run are known by a checksum.

import MPI
import Storage

extension ImageDataset {
  /// The checksum of the images: the declared one, or that of all pixels, which rank 0 reads;
  /// collective.
  ///
  /// - Throws: `AgreedFailure`, `MPIError`.
  func sharedChecksum(_ job: Job) throws -> String {
    let communicator = try job.communicator()
    let own = try job.together {
      communicator.rank == 0 ? try contentHash ?? verify() : ""
    }
    return try communicator.broadcast(own, from: 0)
  }

  /// Refuses other images than those of a checkpoint.
  ///
  /// Checkpoints of earlier programs do not always have a checksum; the number of the images then
  /// has to do.
  ///
  /// - Parameters:
  ///   - checksum: The checksum of these images, and of what is said of them.
  ///   - advice: What to do, the end of a sentence.
  /// - Throws: `StorageError.badData`.
  package func requireImages(
    of checkpoint: Checkpoint, checksum: String,
    advice: String = "name the right ones with --data, or go on with these by --accept-other-data"
  ) throws(StorageError) {
    guard let before = checkpoint.provenance[Provenance.datasetHash], before != checksum,
      before != "no checksum (\(count) images)"
    else { return }
    throw .badData(
      path: path,
      reason:
        "holds other images than those that the run was trained on, or says other things of them: "
        + "their checksum is "
        + "\(checksum) and was \(before); \(advice)")
  }
}
