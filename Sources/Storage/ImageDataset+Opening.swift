// Opening a dataset: every fact of the format is checked before a pixel is read.

import HDF5
import Tensors

/// Where the bytes of a dataset are.
enum DatasetSource: Sendable {
  case file(String)
  case memory(FileImage, label: String)

  /// The path or label for messages.
  var path: String {
    switch self {
    case .file(let path): path
    case .memory(_, let label): label
    }
  }

  /// Opens the file for reading.
  func open() throws(HDF5Error) -> File {
    switch self {
    case .file(let path): try File.open(path)
    case .memory(let image, let label): try File.open(image: image, label: label)
    }
  }
}

/// Whether a file begins as an HDF5 file does.
func isHDF5(_ path: String) -> Bool { File.isHDF5(path) }

/// What the root of each of our files says about itself.
enum FileFormat: String {
  case dataset = "ddpm-dataset"
  case checkpoint = "ddpm-checkpoint"
  case averages = "ddpm-averages"
  case samples = "ddpm-samples"
  case prediction = "ddpm-prediction"
  case evaluation = "ddpm-evaluation"
  case unfinishedEvaluation = "ddpm-unfinished-evaluation"

  /// The last version that this program reads.
  ///
  /// Datasets are of version 2 where an image has several captions or 16 bits a value, files of samples where a
  /// value has 16 bits, and all else of version 1.
  var version: Int { self == .dataset || self == .samples ? 2 : 1 }

  /// Refuses a file of another format or of a later version.
  ///
  /// - Parameter isRequired: Whether the attributes must be there.
  func check(_ root: borrowing Group, isRequired: Bool) throws(HDF5Error) {
    let format = try root.string("format")
    if let format, format != rawValue {
      throw .refused(place: root.place, reason: "is a \(format) file, not a \(rawValue)")
    }
    let version = try root.integer("version")
    if let version, !(1...self.version).contains(version) {
      throw .refused(
        place: root.place,
        reason: "has the version \(version) of \(rawValue); this program reads "
          + (self.version == 1 ? "1" : "1 to \(self.version)"))
    }
    guard !isRequired || (format != nil && version != nil) else {
      throw .refused(place: root.place, reason: "does not say that it is a \(rawValue)")
    }
  }

  /// Writes the attributes that `check` reads.
  func write(to root: borrowing Group, version: Int = 1) throws(HDF5Error) {
    try root.setAttribute("format", .string(rawValue))
    try root.setAttribute("version", .integer(version))
  }
}

extension ImageDataset {
  /// What is no number of a class any more: counting classes must not overflow.
  static let classLimit = 1 << 31

  init(_ source: DatasetSource, group named: String?) throws(StorageError) {
    // "/" is the root.
    let groupName = named.flatMap { $0.allSatisfy { $0 == "/" } ? nil : $0 }
    let path = source.path
    self.source = source
    self.path = path
    group = groupName
    do throws(HDF5Error) {
      let file = try source.open()
      let root = try file.root()
      try FileFormat.dataset.check(root, isRequired: false)
      let group: Group
      if let groupName { group = try root.group(groupName) } else { group = try file.root() }
      guard try group.kind(of: "images") != nil else {
        throw try Self.noImages(group)
      }
      let images = try group.dataset("images")
      try Self.checkExtents(images)
      (order, shape) = try Self.axes(of: images)
      count = images.shape[0]
      format = try Self.pixelFormat(of: images)
      chunk = images.chunk
      isFiltered = !images.filters.isEmpty
      let unpacked = ChunkSize(of: images.chunk ?? [], shape: shape, order, format)
      if isFiltered, let fault = unpacked.fault {
        throw .refused(place: images.place, reason: fault)
      }
      storage = Self.describe(images)
      (labels, classNames) = try Self.readLabels(group, count: images.shape[0])
      captions = try ImageCaptions(of: group, named: "captions", count: images.shape[0])
      captionsHash = try Self.captionsHash(group)
      let fileName = path.split(separator: "/").last.map { String($0) } ?? path
      let stem = fileName.hasSuffix(".h5") ? String(fileName.dropLast(3)) : fileName
      name = try Self.text("name", group, root) ?? stem
      origin = try Self.text("origin", group, root)
      license = try Self.text("license", group, root)
      contentHash = try group.string("content_hash")
      truth = try KnownTruth(group)
    } catch {
      throw StorageError(reading: path, error)
    }
  }

  /// The checksum that the captions declare, if there are any.
  private static func captionsHash(_ group: borrowing Group) throws(HDF5Error) -> String? {
    guard try group.kind(of: "captions") != nil else { return nil }
    return try group.dataset("captions").string("content_hash")
  }

  /// A text attribute of a split, or else of the whole file.
  private static func text(
    _ name: String, _ group: borrowing Group, _ root: borrowing Group
  ) throws(HDF5Error) -> String? {
    if let text = try group.string(name) { return text }
    return try root.string(name)
  }

  /// The sentence for a group without images: it names the splits that there are.
  private static func noImages(_ group: borrowing Group) throws(HDF5Error) -> HDF5Error {
    var splits: [String] = []
    for name in try group.names().prefix(100) where try group.kind(of: name) == .group {
      if try group.group(name).kind(of: "images") == .dataset { splits.append(name) }
    }
    let others = splits.isEmpty ? try StoredArray.candidates(group) : []
    return .missing(
      place: group.place,
      reason: splits.isEmpty
        ? "holds no dataset named images"
          + (others.isEmpty
            ? ""
            : "; \(others.prefix(4).joined(separator: ", ")) may be images: make a dataset of them with "
              + "`ddpm-dist dataset import hdf5 --dataset`")
        : "holds no dataset named images, but the groups \(splits.joined(separator: ", ")) do: "
          + "name one of them")
  }

  private static func checkExtents(_ images: borrowing Dataset) throws(HDF5Error) {
    let extents = images.shape
    guard extents.count == 4 else {
      throw .refused(
        place: images.place,
        reason:
          "has the shape \(extents); images have four extents (N, H, W, C): add an axis for one channel"
      )
    }
    guard extents[0] > 0 else {
      throw .refused(place: images.place, reason: "is empty: it holds 0 images")
    }
    guard extents.allSatisfy({ $0 > 0 }) else {
      throw .refused(place: images.place, reason: "has the shape \(extents), with an extent of 0")
    }
  }

  private static func axes(
    of images: borrowing Dataset
  ) throws(HDF5Error) -> (AxisOrder, ImageShape) {
    let extents = images.shape
    switch AxisOrder.determine(try images.string("layout"), extents: extents) {
    case .failure(let reason): throw .refused(place: images.place, reason: reason.text)
    case .success(.channelsLast):
      return (
        .channelsLast, ImageShape(height: extents[1], width: extents[2], channels: extents[3])
      )
    case .success(.channelsFirst):
      return (
        .channelsFirst, ImageShape(height: extents[2], width: extents[3], channels: extents[1])
      )
    }
  }

  private static func pixelFormat(of images: borrowing Dataset) throws(HDF5Error) -> PixelFormat {
    let place = images.place
    let levels = try images.integer("levels")
    let range = try images.doubles("value_range")
    switch images.elementType {
    case .integer(bytes: let bytes, signed: false) where bytes <= 2:
      guard range == nil else {
        throw .refused(
          place: place,
          reason: "has a value_range, which is for float32; \(images.elementType) has levels")
      }
      // Levels that a byte holds are bytes: images of so many levels have one format.
      let possible = bytes == 1 ? 2...256 : 257...1 << 16
      let own = levels ?? possible.upperBound
      guard possible.contains(own) else {
        throw .refused(
          place: place,
          reason: "has \(own) levels; \(possible.lowerBound) … \(possible.upperBound) are possible"
            + (bytes == 1 ? "" : " of uint16"))
      }
      return .levels(own)
    case .float(bytes: 4):
      guard let range else {
        throw .refused(
          place: place,
          reason: "holds float32 without the attribute value_range: two numbers, black and white")
      }
      guard isFloatRange(range) else {
        throw .refused(
          place: place, reason: "has the value_range \(range); two rising numbers are needed")
      }
      return .range(range[0]...range[1])
    default:
      throw .refused(
        place: place,
        reason: "holds \(images.elementType); images are uint8, uint16 or "
          + "float32 (with value_range)")
    }
  }

  private static func describe(_ images: borrowing Dataset) -> String {
    guard let chunk = images.chunk else { return "contiguous" }
    let whole = zip(chunk.dropFirst(), images.shape.dropFirst()).allSatisfy { $0 >= $1 }
    let chunks = whole ? "chunks of \(chunk[0]) images" : "chunks of \(chunk)"
    return ([chunks] + images.filters).joined(separator: ", ")
  }

  private static func readLabels(
    _ group: borrowing Group, count: Int
  ) throws(HDF5Error) -> (labels: [Int]?, classNames: [String]?) {
    guard try group.kind(of: "labels") != nil else { return (nil, nil) }
    let labels = try group.dataset("labels")
    guard labels.shape == [count] else {
      throw .refused(
        place: labels.place,
        reason: "has the shape \(labels.shape), but there are \(count) images")
    }
    guard case .integer = labels.elementType else {
      throw .refused(
        place: labels.place, reason: "holds \(labels.elementType); labels are integers")
    }
    var names = try labels.strings("class_names")
    if names == nil, try group.kind(of: "class_names") != nil {
      names = try group.dataset("class_names").strings()
    }
    let values = try labels.values(as: Int64.self).map { Int($0) }
    // Numbers beyond Int are read as its largest, which is no class.
    let limit = names?.count ?? ImageDataset.classLimit
    if let row = values.firstIndex(where: { $0 < 0 || $0 >= limit }) {
      let classes = "are 0 … \(limit - 1)" + (names == nil ? "" : " (class_names)")
      throw .refused(
        place: labels.place,
        reason: "gives image \(row) the class \(values[row]); classes \(classes)"
      )
    }
    return (values, names)
  }

  /// The group that holds the images.
  func open(in file: borrowing File) throws(HDF5Error) -> Group {
    let root = try file.root()
    if let group { return try root.group(group) }
    return root
  }
}
