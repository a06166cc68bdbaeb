// The power averages of one step: in a file of their own, or out of a checkpoint.

import HDF5
import Tensors

/// The power averages of the weights at one step of a run; `docs/formats.md`, "Averages".
public struct AverageSnapshot: Equatable, Sendable {
  /// The number of finished steps.
  public var step: Int
  /// The seed of the run; nil in files of earlier programs.
  public var seed: UInt64?
  /// The names and shapes of the tensors, in forward order; empty where there are no averages.
  public var layout: ParameterLayout
  /// The averages by their lengths, each in the order of `layout`; empty where not loaded.
  public var averages: [Double: [Float]]

  /// The averages of a step.
  public init(
    step: Int, seed: UInt64?, layout: ParameterLayout, averages: [Double: [Float]]
  ) {
    self.step = step
    self.seed = seed
    self.layout = layout
    self.averages = averages
  }

  /// The group of an average, as `averages/0.05`.
  static func group(_ length: Double) -> String { "averages/\(length)" }

  /// The lengths of the averages in a file, rising; none where it has no such group.
  static func lengths(_ root: borrowing Group) throws(HDF5Error) -> [Double] {
    guard try root.kind(of: "averages") != nil else { return [] }
    let group = try root.group("averages")
    var lengths: [Double] = []
    for name in try group.names() {
      guard let length = Double(name), length > 0, length < 1, "\(length)" == name else {
        throw .refused(place: group.place, reason: "\"\(name)\" is no length of an average")
      }
      lengths.append(length)
    }
    return lengths.sorted()
  }

  /// Writes the averages to a path, with the trailer of a checkpoint; the old file stays until the
  /// new one is durable. Equal averages give equal bytes.
  ///
  /// - Throws: As `TensorFile`.
  public func write(to path: String) throws(StorageError) {
    let file = try file(at: path, averages: Array(averages.keys))
    for (_, buffer) in averages.sorted(by: { $0.key < $1.key }) { file.append(buffer, of: layout) }
    try file.finish()
  }

  /// Begins the file of a snapshot whose averages come later, in the order of their lengths.
  ///
  /// - Parameters:
  ///   - path: Where the file will be.
  ///   - averages: The lengths, one or more.
  /// - Throws: `.cannotCreate` where the folder does not exist or refuses.
  public func file(at path: String, averages: [Double]) throws(StorageError) -> TensorFile {
    precondition(!averages.isEmpty && layout.count > 0, "A snapshot needs averages.")
    return try TensorFile(path) { (root) throws(HDF5Error) in
      try FileFormat.averages.write(to: root)
      try root.write("tensors", strings: layout.entries.map(\.name))
      let progress = try root.createGroup("progress")
      try progress.setAttribute("step", .integer(step))
      if let seed { try progress.setAttribute("seed", .unsigned(seed)) }
      try progress.close()
      var places: [TensorFile.Place] = []
      for length in averages.sorted() {
        places += try TensorFile.reserve(Self.group(length), layout, root)
      }
      return places
    }
  }

  /// Reads the power averages of a file that `write` or `Checkpoint.write` has written.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - values: Whether the tensors are loaded; the averages are empty where not.
  /// - Throws: `.missingInput` where there is no readable file; `.badData` where it is damaged, of
  ///   another format, or does not hold what the format promises.
  public static func read(path: String, values: Bool = true) throws(StorageError) -> Self {
    try decode(
      try CheckpointTrailer.load(path: path, .averages), path: path,
      values ? .elements : nil)
  }

  /// Does what `read` does but for the elements of contiguous tensors, in a process that may crash.
  static func probe(path: String) throws(StorageError) {
    _ = try decode(try CheckpointTrailer.map(path: path), path: path, .structure)
  }

  /// - Parameter depth: How much of the tensors is read; nil: nothing.
  private static func decode(
    _ image: FileImage, path: String, _ depth: Checkpoint.Depth?
  ) throws(StorageError) -> Self {
    try reading(path) { () throws(HDF5Error) -> Self in
      let file = try File.open(image: image, label: path)
      let root = try file.root()
      let isCheckpoint = try root.string("format") == FileFormat.checkpoint.rawValue
      try (isCheckpoint ? FileFormat.checkpoint : .averages).check(root, isRequired: true)
      let progress = try root.group("progress")
      guard let step = try progress.integer("step"), Checkpoint.Progress.counts.contains(step)
      else {
        throw .refused(place: progress.place, reason: "does not say the step")
      }
      var snapshot = Self(
        step: step, seed: try progress.unsigned("seed"), layout: ParameterLayout(), averages: [:])
      let lengths = try Self.lengths(root)
      guard let first = lengths.first else { return snapshot }
      snapshot.layout = try Checkpoint.layout(
        root, shapesIn: group(first), fileSize: image.count)
      for length in lengths {
        snapshot.averages[length] =
          if let depth {
            try Checkpoint.tensors(root.group(group(length)), snapshot.layout, depth)
          } else {
            []
          }
      }
      return snapshot
    }
  }
}
