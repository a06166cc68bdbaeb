// Writing checkpoints: laid out in memory by HDF5, written to the disk by this program.

import HDF5
import Tensors

extension Checkpoint {
  /// Writes the checkpoint to a path; the old file stays until the new one is durable.
  ///
  /// Buffers other than `model` may be empty: their groups are left out then. Equal checkpoints
  /// give equal bytes. From any thread.
  ///
  /// - Throws: As `TensorFile`.
  public func write(to path: String) throws(StorageError) {
    precondition(!model.isEmpty, "A checkpoint has weights.")
    let groups = TensorGroup.allCases.filter { !self[keyPath: $0.buffer].isEmpty }
    let file = try file(at: path, groups, averages: Array(averages.keys))
    for group in groups { file.append(self[keyPath: group.buffer], of: layout) }
    for (_, buffer) in averages.sorted(by: { $0.key < $1.key }) { file.append(buffer, of: layout) }
    try file.finish()
  }

  /// Begins the file of a checkpoint whose tensors come later: the weights, their moving average, the two
  /// moments, and then the power averages, in the order of their lengths.
  ///
  /// - Parameters:
  ///   - path: Where the file will be.
  ///   - averages: The lengths of the power averages.
  /// - Throws: `.cannotCreate` where the folder does not exist or refuses.
  public func file(at path: String, averages: [Double]) throws(StorageError) -> TensorFile {
    try file(at: path, TensorGroup.allCases, averages: averages)
  }

  /// The trailer of an HDF5 part.
  package static func trailer(for image: UnsafeRawBufferPointer) -> [UInt8] {
    CheckpointTrailer.bytes(for: image)
  }

  /// Begins the file, with everything but the elements of its tensors.
  private func file(
    at path: String, _ groups: [TensorGroup], averages: [Double]
  ) throws(StorageError) -> TensorFile {
    precondition(layout.count > 0, "A checkpoint needs tensors.")
    precondition(
      facts.map { !Self.knownGroups.contains($0.name) } ?? true,
      "The facts of a model need a name of their own.")
    precondition(
      progress.epochs.count == progress.shards, "A checkpoint needs the epoch of each shard.")
    return try TensorFile(path) { (root) throws(HDF5Error) in
      try FileFormat.checkpoint.write(to: root)
      try root.write("tensors", strings: layout.entries.map(\.name))
      try root.write("config", configuration)
      if let facts { try write(facts, root) }
      try writeProgress(root)
      var places: [TensorFile.Place] = []
      for name in groups.map(\.rawValue) + averages.sorted().map(AverageSnapshot.group) {
        places += try TensorFile.reserve(name, layout, root)
      }
      try write(state, "state", root)
      try write(trainer, "trainer", root)
      if let validation { try write(validation, root) }
      if let history { try write(history, root) }
      // Last, so that its size moves nothing else.
      let provenance = try root.createGroup("provenance")
      for (name, value) in self.provenance.sorted(by: { $0.key < $1.key }) {
        // A command line may be longer than an attribute can be.
        let bytes = value.utf8.prefix(largestAttribute - 3)
        try provenance.setAttribute(name, .string(String(decoding: bytes, as: UTF8.self)))
      }
      try provenance.close()
      return places
    }
  }

  private func write(_ facts: ModelFacts, _ root: borrowing Group) throws(HDF5Error) {
    let group = try root.createGroup(facts.name)
    for (name, text) in facts.texts.sorted(by: { $0.key < $1.key }) {
      try group.setAttribute(name, .string(text))
    }
    for (name, table) in facts.tables.sorted(by: { $0.key < $1.key }) {
      try group.write(name, table)
    }
    try group.close()
  }

  /// Writes vectors to a group of their own; none where there are none.
  private func write(
    _ vectors: [String: [Double]], _ name: String, _ root: borrowing Group
  ) throws(HDF5Error) {
    guard !vectors.isEmpty else { return }
    let group = try root.createGroup(name)
    for (name, values) in vectors.sorted(by: { $0.key < $1.key }) { try group.write(name, values) }
    try group.close()
  }

  private func write(_ validation: ValidationHistory, _ root: borrowing Group) throws(HDF5Error) {
    let group = try root.createGroup("validation")
    try group.setAttribute("subject", .string(validation.subject))
    try group.write("steps", validation.steps.map(Int64.init))
    try group.write("losses", validation.losses)
    try ViewerAttributes.mark(group, signal: "losses", axes: "steps")
    try group.close()
  }

  private func write(_ history: ThinnedSeries, _ root: borrowing Group) throws(HDF5Error) {
    let buckets = history.buckets
    let group = try root.createGroup("history")
    try group.write("step", buckets.map { Int64($0.step) })
    try group.write("loss", buckets.map(\.mean))
    try group.write("count", buckets.map { Int64($0.count) })
    try group.write("sum", buckets.map(\.sum))
    try group.write("least", buckets.map(\.least))
    try group.write("largest", buckets.map(\.largest))
    try ViewerAttributes.mark(group, signal: "loss", axes: "step")
    try group.close()
    try ViewerAttributes.open("history", in: root)
  }

  private func writeProgress(_ root: borrowing Group) throws(HDF5Error) {
    let group = try root.createGroup("progress")
    try group.setAttribute("step", .integer(progress.step))
    try group.setAttribute("images_seen", .integer(progress.imagesSeen))
    try group.setAttribute("epochs", .integers(progress.epochs))
    try group.setAttribute("seed", .unsigned(progress.seed))
    try group.setAttribute("shards", .integer(progress.shards))
    try group.setAttribute("loss", .double(progress.loss))
    try group.close()
  }
}
