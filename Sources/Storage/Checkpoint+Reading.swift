// Reading checkpoints: the checksum first, then everything that the format promises.

import HDF5
import Tensors

extension Checkpoint {
  /// Reads a checkpoint.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - sections: What to load; the buffers of the rest stay empty.
  /// - Throws: `.missingInput` where there is no readable file; `.badData` where it is truncated,
  ///   damaged, of another format or version, or where a tensor that is asked for does not exist,
  ///   has another shape than in `/model`, or is not finite.
  public static func read(
    path: String, sections: Sections = .all
  ) throws(StorageError) -> Checkpoint {
    try decode(
      try CheckpointTrailer.load(path: path, .checkpoint(sections)), path: path,
      sections: sections)
  }

  /// Does what `read` does but for the elements of contiguous tensors, in a process that may crash.
  static func probe(path: String, sections: Sections) throws(StorageError) {
    _ = try decode(
      try CheckpointTrailer.map(path: path), path: path, sections: sections, .structure)
  }

  /// Reads a checkpoint from the bytes of its file.
  package static func decode(
    _ bytes: [UInt8], sections: Sections = .all
  ) throws(StorageError) -> Checkpoint {
    let path = "a checkpoint in memory"
    let image = try FileImage(capacity: bytes.count) { (buffer) throws(StorageError) -> Int in
      buffer.copyBytes(from: bytes)
      return try CheckpointTrailer.check(UnsafeRawBufferPointer(buffer), path: path)
    }
    return try decode(image, path: path, sections: sections)
  }

  /// Checks the checksum of a checkpoint without reading what is in it.
  ///
  /// - Throws: `.missingInput`, or `.badData` for a damaged or truncated file.
  public static func verify(path: String) throws(StorageError) {
    try CheckpointTrailer.check(path: path)
  }

  /// How much of tensors is read.
  enum Depth {
    /// Everything.
    case elements
    /// What is declared of them, and the elements only where they are not contiguous: to find them the
    /// library follows more than the declarations.
    case structure
  }

  private static func decode(
    _ image: FileImage, path: String, sections: Sections, _ depth: Depth = .elements
  ) throws(StorageError) -> Checkpoint {
    try reading(path) { () throws(HDF5Error) -> Checkpoint in
      let file = try File.open(image: image, label: path)
      let root = try file.root()
      try FileFormat.checkpoint.check(root, isRequired: true)
      var checkpoint = Checkpoint(
        layout: try layout(root, fileSize: image.count), model: [], ema: [], firstMoment: [],
        secondMoment: [],
        progress: try progress(root), configuration: try root.dataset("config").string(),
        facts: try facts(root), state: try vectors("state", root),
        trainer: try vectors("trainer", root), provenance: try provenance(root))
      checkpoint.validation = try validation(root, upTo: checkpoint.progress.step)
      checkpoint.history = try history(root, upTo: checkpoint.progress.step)
      for group in TensorGroup.allCases {
        var isRead = sections.contains(group.section)
        if sections.contains(.present) { isRead = try has(group, root) }
        guard isRead else { continue }
        checkpoint[keyPath: group.buffer] = try tensors(
          root.group(group.rawValue), checkpoint.layout, depth)
      }
      if !sections.isDisjoint(with: [.averages, .present]) {
        for length in try AverageSnapshot.lengths(root) {
          checkpoint.averages[length] = try tensors(
            root.group(AverageSnapshot.group(length)), checkpoint.layout, depth)
        }
      }
      return checkpoint
    }
  }

  /// Whether the file has a group of tensors.
  private static func has(
    _ group: TensorGroup, _ root: borrowing Group
  ) throws(HDF5Error) -> Bool {
    if group.section == .moments, try root.kind(of: "optimizer") == nil { return false }
    return try root.kind(of: group.rawValue) != nil
  }

  /// The names from `/tensors` in their order, the shapes from a group that has them all.
  ///
  /// All of them together are smaller than the file, whatever its links and filters promise.
  static func layout(
    _ root: borrowing Group, shapesIn group: String = "model", fileSize: Int
  ) throws(HDF5Error) -> ParameterLayout {
    let model = try root.group(group)
    var layout = ParameterLayout()
    var names: Set<String> = []
    for name in try root.dataset("tensors").strings() {
      guard !name.isEmpty, names.insert(name).inserted else {
        throw .refused(place: root.place, reason: "lists the tensor \"\(name)\" twice or unnamed")
      }
      let tensor = try model.dataset(name)
      let shape = tensor.shape
      guard !shape.isEmpty, shape.allSatisfy({ $0 > 0 }),
        tensor.count <= fileSize / MemoryLayout<Float>.size - layout.count
      else {
        throw .refused(place: model.place, reason: "gives \(name) the shape \(shape)")
      }
      layout.append(name, shape: shape)
    }
    guard layout.count > 0 else {
      throw .refused(place: root.place, reason: "holds no tensors")
    }
    return layout
  }

  /// The buffer of a group of tensors, all of them finite; empty where only the structure is read.
  static func tensors(
    _ group: borrowing Group, _ layout: ParameterLayout, _ depth: Depth = .elements
  ) throws(HDF5Error) -> [Float] {
    if depth == .structure {
      for entry in layout.entries {
        let dataset = try tensor(entry, group)
        if dataset.chunk != nil { _ = try dataset.values(as: Float.self) }
      }
      return []
    }
    var failure: HDF5Error?
    let values = [Float](unsafeUninitializedCapacity: layout.count) { buffer, initialized in
      do throws(HDF5Error) {
        for entry in layout.entries {
          try tensor(entry, group)
            .read(into: UnsafeMutableBufferPointer(rebasing: buffer[entry.range]))
        }
        let all = UnsafeBufferPointer(rebasing: buffer[..<layout.count])
        if let entry = firstNotFinite(in: all, layout) {
          throw .refused(place: group.place, reason: "the tensor \(entry.name) is not finite")
        }
        initialized = layout.count
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return values
  }

  /// Opens a tensor, which must be as the layout says.
  private static func tensor(
    _ entry: ParameterLayout.Entry, _ group: borrowing Group
  ) throws(HDF5Error) -> Dataset {
    let dataset = try group.dataset(entry.name)
    guard dataset.elementType == .float(bytes: 4), dataset.shape == entry.shape else {
      throw .refused(
        place: dataset.place,
        reason: "is \(dataset.elementType) of the shape \(dataset.shape), "
          + "not float32 of the shape \(entry.shape)")
    }
    return dataset
  }

  private static func progress(_ root: borrowing Group) throws(HDF5Error) -> Progress {
    let group = try root.group("progress")
    let progress = Progress(
      step: try require(group.integer("step"), "step", group),
      imagesSeen: try require(group.integer("images_seen"), "images_seen", group),
      epochs: try require(group.integers("epochs"), "epochs", group),
      seed: try require(group.unsigned("seed"), "seed", group),
      shards: try require(group.integer("shards"), "shards", group),
      loss: try require(group.double("loss"), "loss", group))
    let counts = Progress.counts
    guard counts.contains(progress.step), progress.imagesSeen >= 0, progress.shards > 0,
      progress.imagesSeen <= counts.upperBound * counts.upperBound,
      progress.epochs.count == progress.shards, progress.epochs.allSatisfy(counts.contains)
    else {
      throw .refused(place: group.place, reason: "holds impossible values")
    }
    return progress
  }

  private static func provenance(_ root: borrowing Group) throws(HDF5Error) -> [String: String] {
    let group = try root.group("provenance")
    var provenance: [String: String] = [:]
    for name in try group.attributeNames() { provenance[name] = try group.string(name) }
    return provenance
  }

  /// The groups of every checkpoint; another one holds the facts of its model.
  static let knownGroups: Set = [
    "model", "average", "averages", "optimizer", "progress", "state", "trainer",
    "validation", "history", "provenance",
  ]

  private static func facts(_ root: borrowing Group) throws(HDF5Error) -> ModelFacts? {
    for name in try root.names() where !knownGroups.contains(name) {
      guard try root.kind(of: name) == .group else { continue }
      let group = try root.group(name)
      var texts: [String: String] = [:]
      for key in try group.attributeNames() { texts[key] = try group.string(key) }
      return ModelFacts(name: name, texts: texts, tables: try vectors(group))
    }
    return nil
  }

  /// The vectors of a group that need not be there.
  private static func vectors(
    _ name: String, _ root: borrowing Group
  ) throws(HDF5Error) -> [String: [Double]] {
    try root.kind(of: name) == nil ? [:] : vectors(root.group(name))
  }

  private static func validation(
    _ root: borrowing Group, upTo step: Int
  ) throws(HDF5Error) -> ValidationHistory? {
    guard try root.kind(of: "validation") != nil else { return nil }
    let group = try root.group("validation")
    let subject = try require(group.string("subject"), "subject", group)
    let losses = try finite(group.dataset("losses"))
    let dataset = try group.dataset("steps")
    let steps = try dataset.values(as: Int64.self)
    guard dataset.shape.count == 1, steps.count == losses.count,
      steps.allSatisfy({ (0...Int64(step)).contains($0) }),
      zip(steps, steps.dropFirst()).allSatisfy(<)
    else {
      throw .refused(place: group.place, reason: "holds impossible values")
    }
    return ValidationHistory(subject: subject, steps: steps.map(Int.init), losses: losses)
  }

  private static func history(
    _ root: borrowing Group, upTo step: Int
  ) throws(HDF5Error) -> ThinnedSeries? {
    guard try root.kind(of: "history") != nil else { return nil }
    let group = try root.group("history")
    func integers(_ name: String) throws(HDF5Error) -> [Int] {
      let dataset = try group.dataset(name)
      guard dataset.shape.count == 1 else {
        throw .refused(place: dataset.place, reason: "is not a vector")
      }
      return try dataset.values(as: Int64.self).map(Int.init)
    }
    let (steps, counts) = (try integers("step"), try integers("count"))
    let (sums, least) = (try finite(group.dataset("sum")), try finite(group.dataset("least")))
    let largest = try finite(group.dataset("largest"))
    guard
      let history = ThinnedSeries(
        steps: steps, counts: counts, sums: sums, least: least, largest: largest),
      steps.last ?? 0 <= step
    else { throw .refused(place: group.place, reason: "holds impossible values") }
    return history
  }

  /// The vectors of a group, by their names.
  private static func vectors(_ group: borrowing Group) throws(HDF5Error) -> [String: [Double]] {
    var vectors: [String: [Double]] = [:]
    for name in try group.names() { vectors[name] = try finite(group.dataset(name)) }
    return vectors
  }

  private static func finite(_ dataset: borrowing Dataset) throws(HDF5Error) -> [Double] {
    let values = try dataset.values(as: Double.self)
    guard dataset.shape.count == 1, values.allSatisfy(\.isFinite) else {
      throw .refused(place: dataset.place, reason: "is not a vector of finite numbers")
    }
    return values
  }

  private static func require<Value>(
    _ value: Value?, _ name: String, _ group: borrowing Group
  ) throws(HDF5Error) -> Value {
    guard let value else {
      throw .missing(place: group.place, reason: "has no attribute \(name)")
    }
    return value
  }
}
