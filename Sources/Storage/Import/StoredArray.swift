// Arrays of images in HDF5 files of any program.

import Foundation
import HDF5

/// Numbers in an HDF5 file of which the first extent counts images, read some images at a time.
///
/// A dataset in virtual storage is read piece by piece from files that the user has named: what a file says of
/// others is never followed by itself.
final class StoredArray {
  /// The file.
  let path: String
  /// The dataset's path in it.
  let dataset: String
  /// The extents, that of the images first.
  let shape: [Int]
  /// Whether the numbers are whole.
  let isInteger: Bool
  /// Whether they are bytes from 0 to 255.
  let isByte: Bool
  /// The attributes of the dataset that are numbers and texts.
  let attributes: [String: AttributeValue]
  /// What it says of the order of its axes.
  let layout: AttributeValue?
  /// The files that pieces of it are in.
  let sources: [String]
  private let parts: [Part]
  /// The part that was read last, open: others follow each other.
  private var current: (index: Int, piece: Piece)?

  /// Where some of the images are.
  private struct Part {
    let images: Range<Int>
    let file: String
    let dataset: String
    let firstRow: Int
  }

  /// An open dataset.
  private final class Piece {
    let dataset: Dataset
    /// Keeps the file open.
    private let file: File

    init(_ file: consuming File, _ dataset: consuming Dataset) {
      self.file = file
      self.dataset = dataset
    }
  }

  /// Opens an array.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - name: The path of the dataset; nil for the only one that may hold images.
  ///   - files: The files that pieces of a virtual dataset may be in.
  /// - Throws: `StorageError` for what is missing, or not what can be read.
  init(path: String, dataset name: String?, files: [String]) throws(StorageError) {
    _ = try requireFile(path, role: "an HDF5 file")
    guard File.isHDF5(path) else { throw .badData(path: path, reason: "is not an HDF5 file") }
    try ChildCheck.require(path, .array(name))
    let name = if let name { name } else { try Self.onlyName(in: path) }
    let declaration = try Self.declaration(path, name)
    var (parts, sources): ([Part], [String]) = ([], [])
    var types: [ElementType] = []
    // One image alone has no extent that counts it.
    let extents = declaration.shape.count == 2 ? [1] + declaration.shape : declaration.shape
    if let virtual = declaration.virtual {
      for piece in virtual.pieces {
        let source = try piece.file.map { (file) throws(StorageError) in
          try Self.named(file, by: path, among: files)
        }
        if let source, !sources.contains(source) {
          try ChildCheck.require(source, .array(piece.dataset))
          sources.append(source)
        }
        let part = Part(
          images: piece.rows, file: source ?? path, dataset: piece.dataset,
          firstRow: piece.firstRow ?? 0)
        let opened = try Self.open(part)
        let shape = opened.dataset.shape
        let own = piece.firstRow == nil && shape.count < extents.count ? [1] + shape : shape
        guard own.count == extents.count, own.dropFirst() == extents.dropFirst(),
          part.firstRow + part.images.count <= own[0],
          piece.firstRow != nil || own[0] == part.images.count
        else {
          throw .badData(
            path: part.file,
            reason:
              "\(opened.dataset.place.object) has the shape \(shape), which is not what \(name) of "
              + "\(path) says")
        }
        if !types.contains(opened.dataset.elementType) { types.append(opened.dataset.elementType) }
        parts.append(part)
      }
    } else {
      let part = Part(images: 0..<extents[0], file: path, dataset: name, firstRow: 0)
      types = [try Self.open(part).dataset.elementType]
      parts = [part]
    }
    guard let type = types.first, types.count == 1 else {
      throw .badData(path: path, reason: "\(name) is assembled from datasets of different types")
    }
    switch type {
    case .integer(let bytes, let signed):
      (isInteger, isByte) = (true, bytes == 1 && !signed)
    case .truth: (isInteger, isByte) = (true, false)
    case .float: (isInteger, isByte) = (false, false)
    case .string, .other:
      throw .badData(path: path, reason: "\(name) holds \(type), no numbers")
    }
    (self.path, dataset, shape) = (path, name, extents)
    (attributes, layout) = (declaration.attributes, declaration.layout)
    (self.sources, self.parts) = (sources, parts)
  }

  /// Reads some images, in the order in which they are stored.
  ///
  /// - Throws: `StorageError`.
  func read(_ images: Range<Int>) throws(StorageError) -> [Double] {
    var numbers: [Double] = []
    for (index, part) in parts.enumerated() where part.images.overlaps(images) {
      if current?.index != index { current = (index, try Self.open(part)) }
      let wanted = images.clamped(to: part.images)
      let first = wanted.lowerBound - part.images.lowerBound + part.firstRow
      do throws(HDF5Error) {
        numbers += try Self.numbers(current!.piece.dataset, first..<first + wanted.count)
      } catch {
        throw StorageError(reading: part.file, error)
      }
    }
    return numbers
  }

  private static func numbers(
    _ dataset: borrowing Dataset, _ rows: Range<Int>
  ) throws(HDF5Error) -> [Double] {
    // Without an extent that counts images, it is one.
    let isImage = dataset.shape.count == 2
    let count = rows.count * dataset.shape.dropFirst(isImage ? 0 : 1).reduce(1, *)
    func values<Value: HDF5Element>(_ zero: Value) throws(HDF5Error) -> [Value] {
      if isImage { return try dataset.values() }
      var values = [Value](repeating: zero, count: count)
      try values.withUnsafeMutableBufferPointer { (buffer) throws(HDF5Error) in
        try dataset.read(rows: rows, into: buffer)
      }
      return values
    }
    if case .integer(8, signed: false) = dataset.elementType {
      return try values(UInt64(0)).map { Double($0) }
    }
    if case .float = dataset.elementType { return try values(0.0) }
    return try values(Int64(0)).map { Double($0) }
  }

  // MARK: Opening

  /// What a dataset says of itself.
  private struct Declaration {
    var shape: [Int]
    var virtual: VirtualArray?
    var attributes: [String: AttributeValue] = [:]
    var layout: AttributeValue?
  }

  /// The names of attributes that say how a viewer shows a dataset, or what our files mean by it.
  private static let passedOver: Set<String> = [
    "CLASS", "IMAGE_VERSION", "IMAGE_SUBCLASS", "INTERLACE_MODE", "interpretation",
    "DIMENSION_LIST",
    "REFERENCE_LIST", "levels", "value_range", "layout", "signal", "axes",
  ]

  private static func declaration(
    _ path: String, _ name: String
  ) throws(StorageError) -> Declaration {
    do throws(HDF5Error) {
      let root = try File.open(path).root()
      guard try root.kind(of: name) == .dataset else {
        let names = try candidates(root)
        throw .missing(
          place: root.place,
          reason: "holds no dataset \(name); "
            + (names.isEmpty
              ? "none in it has the extents of images"
              : "those with the extents of images are \(names.joined(separator: ", "))"))
      }
      let virtual = try root.virtualArray(name)
      var known = Declaration(shape: virtual?.shape ?? [], virtual: virtual)
      if virtual == nil {
        let dataset = try root.dataset(name)
        for key in try dataset.attributeNames().prefix(64) where !passedOver.contains(key) {
          // What is neither a number nor a text is not carried over.
          known.attributes[key] = try? dataset.attribute(key)
        }
        (known.shape, known.layout) = (dataset.shape, try? dataset.attribute("layout"))
      }
      let shape = known.shape
      guard 2...4 ~= shape.count, shape.allSatisfy({ $0 > 0 }) else {
        throw .refused(
          place: root.place.appending(name),
          reason:
            "has the shape \(shape); images have the extents (H, W), (N, H, W), (N, H, W, C) or "
            + "(N, C, H, W)")
      }
      return known
    } catch {
      throw StorageError(reading: path, error)
    }
  }

  /// The only dataset of a file that may hold images.
  private static func onlyName(in path: String) throws(StorageError) -> String {
    let names: [String]
    do throws(HDF5Error) { names = try candidates(try File.open(path).root()) } catch {
      throw StorageError(reading: path, error)
    }
    guard let name = names.first, names.count == 1 else {
      throw .badData(
        path: path,
        reason: names.isEmpty
          ? "holds no dataset with the extents of images, (N, H, W) or four of them"
          : "holds several datasets that may be images: name one with --dataset "
            + names.prefix(8).joined(separator: ", ") + (names.count > 8 ? ", …" : ""))
    }
    return name
  }

  /// The paths of the datasets of numbers that have three or four extents, at most 100.
  static func candidates(_ root: borrowing Group) throws(HDF5Error) -> [String] {
    var names: [String] = []
    var looked = 0
    try collect(root, "", depth: 0, &names, &looked)
    return names
  }

  private static func collect(
    _ group: borrowing Group, _ path: String, depth: Int, _ names: inout [String],
    _ looked: inout Int
  ) throws(HDF5Error) {
    for name in try group.names() {
      looked += 1
      guard names.count < 100, looked < 10_000, !name.contains("/") else { return }
      switch try group.kind(of: name) {
      case .group where depth < 16:
        try collect(try group.group(name), path + "/" + name, depth: depth + 1, &names, &looked)
      case .dataset:
        // What cannot be read is none of them.
        let virtual = try? group.virtualArray(name)
        let shape = virtual?.shape ?? (try? numericShape(group, name)) ?? []
        if 3...4 ~= shape.count, shape.allSatisfy({ $0 > 0 }) { names.append(path + "/" + name) }
      default: break
      }
    }
  }

  private static func numericShape(
    _ group: borrowing Group, _ name: String
  ) throws(HDF5Error) -> [Int] {
    let dataset = try group.dataset(name)
    return switch dataset.elementType {
    case .integer, .truth, .float: dataset.shape
    case .string, .other: []
    }
  }

  /// The file that a piece is in, if the user has named it.
  private static func named(
    _ file: String, by path: String, among files: [String]
  ) throws(StorageError) -> String {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    let wanted = URL(fileURLWithPath: file, relativeTo: folder).resolvingSymlinksInPath().path
    if let known = files.first(where: {
      URL(fileURLWithPath: $0).resolvingSymlinksInPath().path == wanted
    }) {
      return known
    }
    throw .badData(
      path: path,
      reason: "keeps images in \(file), which is read only if it is named too, behind this file")
  }

  private static func open(_ part: Part) throws(StorageError) -> Piece {
    do throws(HDF5Error) {
      let file = try File.open(part.file)
      let dataset = try file.root().dataset(part.dataset, chunkCacheBytes: 1 << 24)
      return Piece(file, dataset)
    } catch {
      throw StorageError(reading: part.file, error)
    }
  }

  /// Reads what the parent will read, in a child process: all images where they are few.
  static func probe(_ path: String, dataset name: String?) throws(StorageError) {
    let name = if let name { name } else { try onlyName(in: path) }
    let declaration = try declaration(path, name)
    guard declaration.virtual == nil else { return }
    let count = declaration.shape.count == 2 ? 1 : declaration.shape[0]
    let piece = try open(Part(images: 0..<count, file: path, dataset: name, firstRow: 0))
    let bytes = declaration.shape.reduce(8.0) { $0 * Double($1) }
    let isSmall = bytes <= 16_777_216
    let rows: [Int] = isSmall ? Array(0..<count) : [0, count - 1]
    for row in rows {
      do throws(HDF5Error) { _ = try numbers(piece.dataset, row..<row + 1) } catch {
        throw StorageError(reading: path, error)
      }
    }
  }

  /// The whole numbers of a dataset of one extent: the classes of images.
  static func classes(_ path: String, dataset name: String) throws(StorageError) -> [Int] {
    try ChildCheck.require(path, .classes(name))
    return try readClasses(path, dataset: name)
  }

  /// As `classes`, without a child.
  static func readClasses(_ path: String, dataset name: String) throws(StorageError) -> [Int] {
    do throws(HDF5Error) {
      let dataset = try File.open(path).root().dataset(name)
      guard dataset.shape.count == 1, dataset.elementType.converts(to: Int64.self) else {
        throw .refused(
          place: dataset.place,
          reason: "has the shape \(dataset.shape) of \(dataset.elementType); classes are one whole "
            + "number an image")
      }
      return try dataset.values(as: Int64.self).map { Int($0) }
    } catch {
      throw StorageError(reading: path, error)
    }
  }
}
