// One rank of a node reads a dataset through, and the others take its word.

import MPI
import Storage

extension Configuration {
  /// Lets the first rank of each node open the datasets, and the others trust it; collective.
  ///
  /// Opening compares a checksum and lets a child process read the file, which reads up to 64 MiB twice: once
  /// a node is enough, whatever the number of its ranks.
  ///
  /// - Throws: `AgreedFailure` where a file is refused on any node, `MPIError`.
  func checkDatasetsOnce(_ job: Job) throws {
    let node = try job.communicator().splitByNode()
    var files = data.path.map { [(path: $0, group: data.group)] } ?? []
    if validation.every > 0, case .file(let path, let group) = validation.source {
      files.append((path, group))
    }
    let named = files.map { (path: $0.path, group: $0.group == "/" ? nil : $0.group) }
    try job.together {
      guard node.rank == 0 else { return }
      for file in named { _ = try ImageDataset(path: file.path, group: file.group) }
    }
    for file in named { ImageDataset.trust(file.path, group: file.group) }
  }
}
