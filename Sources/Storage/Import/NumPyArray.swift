// An array of NumPy, alone in a .npy file or among others in an .npz file, read from its beginning.

/// The values of one array, in the order in which they are stored.
struct NumPyArray: ~Copyable {
  /// What the array is.
  let header: NumPyHeader
  /// The file, and the array in it, for messages.
  let path: String
  private var source: Source

  /// Where the bytes come from.
  private enum Source: ~Copyable {
    case file(InputFile)
    case archive(ArchiveReader)

    mutating func read(upTo count: Int) throws(StorageError) -> [UInt8] {
      switch consume self {
      case .file(var file):
        let result = Result { () throws(StorageError) in try file.read(upTo: count) }
        self = .file(file)
        return try result.get()
      case .archive(var archive):
        let result = Result { () throws(StorageError) in try archive.read(upTo: count) }
        self = .archive(archive)
        return try result.get()
      }
    }
  }

  /// Opens an array.
  ///
  /// - Parameters:
  ///   - path: A .npy file, or an .npz file with several arrays.
  ///   - key: Which array of an .npz file; nil where it holds one alone, or for those of `defaults`.
  ///   - defaults: Names that are taken where there is no key, the first that is there.
  init(_ path: String, key: String?, defaults: [String]) throws(StorageError) {
    guard path.lowercased().hasSuffix(".npz") else {
      guard key == nil else {
        throw .badData(path: path, reason: "is a single array, without names; leave the key out")
      }
      var source = Source.file(try InputFile(path: path))
      header = try NumPyHeader(path: path) { count throws(StorageError) in
        try source.read(upTo: count)
      }
      self.path = path
      self.source = source
      return
    }
    let keys = try Self.keys(of: path)
    let name: String
    if let key {
      name = key
    } else if keys.count == 1 {
      name = keys[0]
    } else if let usual = defaults.first(where: { keys.contains($0) }) {
      name = usual
    } else {
      throw .badData(
        path: path,
        reason: "holds the arrays \(keys.joined(separator: ", ")); say which one by its key")
    }
    var archive = try ArchiveReader(path: path)
    while let entry = try archive.next() {
      guard entry.name == name + ".npy" else { continue }
      var source = Source.archive(archive)
      let place = "\(path): \(name)"
      header = try NumPyHeader(path: place) { count throws(StorageError) in
        try source.read(upTo: count)
      }
      self.path = place
      self.source = source
      return
    }
    throw .badData(
      path: path, reason: "holds no array \(name), but \(keys.joined(separator: ", "))")
  }

  /// The names of the arrays of an .npz file.
  private static func keys(of path: String) throws(StorageError) -> [String] {
    var archive = try ArchiveReader(path: path)
    var keys: [String] = []
    while let entry = try archive.next() {
      guard entry.name.hasSuffix(".npy"), keys.count < 10_000 else { continue }
      keys.append(String(entry.name.dropLast(4)))
    }
    guard !keys.isEmpty else { throw .badData(path: path, reason: "holds no array of NumPy") }
    return keys
  }

  /// The bytes of the next `count` values.
  mutating func next(_ count: Int) throws(StorageError) -> [UInt8] {
    let bytes = try source.read(upTo: count * header.element.bytes)
    guard bytes.count == count * header.element.bytes else {
      throw .badData(
        path: path,
        reason: "ends before the \(header.count) values that its header announces; save it again")
    }
    return bytes
  }

  /// Refuses bytes behind the last value, and compares checksums where there are any.
  mutating func end() throws(StorageError) {
    guard try source.read(upTo: 1).isEmpty else {
      throw .badData(
        path: path, reason: "goes on after the \(header.count) values that its header announces")
    }
  }

  /// All values as whole numbers; for labels.
  ///
  /// - Throws: `.badData` for more than `count` values and for what is no whole number from 0.
  mutating func labels(count: Int, images: String) throws(StorageError) -> [Int] {
    guard header.element.isWhole, header.extents.count == 1 || header.extents == [count, 1] else {
      throw .badData(
        path: path,
        reason: "has the shape \(header.extents), and labels are one row of whole numbers")
    }
    guard header.count == count else {
      throw .badData(
        path: path, reason: "holds \(header.count) labels where \(images) holds \(count) images")
    }
    var labels: [Int] = []
    while labels.count < count {
      let values = header.floats(of: try next(min(1 << 16, count - labels.count)))
      for value in values {
        guard value >= 0, value < 16_777_216 else {
          throw .badData(path: path, reason: "holds the label \(value); classes are 0, 1, …")
        }
        labels.append(Int(value))
      }
    }
    try end()
    return labels
  }
}
