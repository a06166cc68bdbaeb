// Writing checkpoints: built in memory by HDF5, written to the disk by this program.

import HDF5
import Tensors

extension Checkpoint {
  /// Writes the checkpoint to a path; the old file stays until the new one is durable.
  ///
  /// Buffers other than `model` may be empty: their groups are left out then. Equal checkpoints
  /// give equal bytes. From any thread.
  ///
  /// - Throws: `.badData` where a tensor is not finite, so that a diverged run does not replace its
  ///   good checkpoints; `.cannotCreate` and `.inputOutput` as `AtomicFile.write`.
  public func write(to path: String) throws(StorageError) {
    try checkBuffers(path)
    try image(path).withBytes { (image) throws(StorageError) in
      try CheckpointTrailer.bytes(for: image).withUnsafeBufferPointer {
        (trailer) throws(StorageError) in
        try AtomicFile.write([image, UnsafeRawBufferPointer(trailer)], to: path)
      }
    }
  }

  /// The bytes that `write` writes.
  package func encoded() throws(StorageError) -> [UInt8] {
    let label = "a checkpoint in memory"
    try checkBuffers(label)
    return try image(label).withBytes { Array($0) + Self.trailer(for: $0) }
  }

  /// The trailer of an HDF5 part.
  package static func trailer(for image: UnsafeRawBufferPointer) -> [UInt8] {
    CheckpointTrailer.bytes(for: image)
  }

  private func checkBuffers(_ path: String) throws(StorageError) {
    precondition(layout.count > 0, "A checkpoint needs tensors.")
    precondition(
      facts.map { !Self.knownGroups.contains($0.name) } ?? true,
      "The facts of a model need a name of their own.")
    precondition(model.count == layout.count, "The weights must fit the layout.")
    precondition(
      progress.epochs.count == progress.shards, "A checkpoint needs the epoch of each shard.")
    for group in TensorGroup.allCases where !self[keyPath: group.buffer].isEmpty {
      try Self.check(self[keyPath: group.buffer], layout, group.rawValue, path)
    }
    for (length, buffer) in averages {
      try Self.check(buffer, layout, AverageSnapshot.group(length), path)
    }
  }

  /// Refuses to write tensors that are not finite.
  static func check(
    _ buffer: [Float], _ layout: ParameterLayout, _ group: String, _ path: String
  ) throws(StorageError) {
    precondition(buffer.count == layout.count, "A buffer must fit the layout or be empty.")
    if let entry = buffer.withUnsafeBufferPointer({ firstNotFinite(in: $0, layout) }) {
      throw .badData(
        path: path, reason: "is not written: the tensor /\(group)/\(entry.name) is not finite")
    }
  }

  /// Builds the HDF5 part in memory.
  private func image(_ path: String) throws(StorageError) -> FileImage {
    let groups = TensorGroup.allCases.filter { !self[keyPath: $0.buffer].isEmpty }
    // The memory is taken in one piece: the tensors, and enough for names and headers.
    let tensors =
      (groups.count + averages.count) * (layout.count * 4 + layout.entries.count * 2048)
    let tables = (facts?.tables ?? [:]).values.reduce(0) { $0 + $1.count }
    let numbers = [state, trainer].flatMap(\.values)
      .reduce(tables + 2 * (validation?.steps.count ?? 0) + 6 * (history?.buckets.count ?? 0)) {
        $0 + $1.count
      }
    let texts = configuration.utf8.count + 8 * numbers
    let increment = (tensors + texts + (1 << 17)) / (1 << 16) * (1 << 16)
    return try writing(path) { () throws(HDF5Error) -> FileImage in
      let file = try File.createInMemory(label: path, increment: increment)
      let root = try file.root()
      try FileFormat.checkpoint.write(to: root)
      try root.write("tensors", strings: layout.entries.map(\.name))
      try root.write("config", configuration)
      if let facts { try write(facts, root) }
      try writeProgress(root)
      for group in groups {
        try Self.write(self[keyPath: group.buffer], layout, group.rawValue, root)
      }
      for (length, buffer) in averages.sorted(by: { $0.key < $1.key }) {
        try Self.write(buffer, layout, AverageSnapshot.group(length), root)
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
      try root.close()
      return try file.finish()
    }
  }

  /// Writes the tensors of a buffer to a group of their own.
  static func write(
    _ buffer: [Float], _ layout: ParameterLayout, _ name: String, _ root: borrowing Group
  ) throws(HDF5Error) {
    let group = try root.createGroup(name)
    try buffer.withUnsafeBufferPointer { (buffer) throws(HDF5Error) in
      for entry in layout.entries {
        try group.write(
          entry.name, UnsafeBufferPointer(rebasing: buffer[entry.range]), shape: entry.shape)
      }
    }
    try group.close()
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
