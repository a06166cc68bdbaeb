// Where pictures come from: a folder, an archive or the pages of a file, all alike.

import Tensors

/// The pictures of an import: what is known of them before they are decoded, and one after the other.
struct PictureSupply {
  /// The folder or file, for messages.
  let path: String
  /// How many there are.
  let count: Int
  /// What they are called below the folder or in the archive; nil for pages.
  var names: [String]?
  /// The class of each, or nil.
  var labels: [Int]?
  /// The names of the classes, where they are known.
  var classNames: [String]?
  /// The number of grey levels that the pictures show spread over the whole scale; nil for none.
  var levels: Int?
  /// The files of captions beside the pictures: the path, and the bytes where it is in an archive.
  var captions: [(path: String, bytes: [UInt8]?)] = []
  /// Whether a child process has to decode some of them first.
  var needsChild: Bool
  /// Decodes them in order, until a body returns false.
  private let stream: (Body) throws -> Void

  /// Takes a picture and how it is called in messages; returns whether to go on.
  typealias Body = (_ raster: Raster, _ path: String) throws -> Bool

  init(
    path: String, count: Int, names: [String]?, needsChild: Bool,
    stream: @escaping (Body) throws -> Void
  ) {
    (self.path, self.count, self.names, self.needsChild) = (path, count, names, needsChild)
    self.stream = stream
  }

  /// Looks at what a path names: a folder, a TIFF file, or an archive.
  init(_ path: String) throws(StorageError) {
    if case .folder = FileKind(path) {
      self = try PictureSupply(folder: path)
    } else if PictureKind(named: path)?.name == PictureKind.tiff.name {
      self = try PictureSupply(pagesOf: path)
    } else if ArchiveReader.fits(path) {
      self = try PictureSupply(archive: path)
    } else if case .nothing = FileKind(path) {
      _ = try folderNames(path)
      fatalError("What is not there cannot be listed.")
    } else {
      throw .badData(
        path: path,
        reason:
          "is not a folder, an archive (\(ArchiveReader.endings.joined(separator: " "))) or a "
          + "TIFF file")
    }
  }

  /// One picture file.
  init(picture path: String) {
    self.init(
      path: path, count: 1, names: nil,
      needsChild: PictureKind(named: path)?.isCheckedByChild == true
    ) { body in
      _ = try body(Raster(path: path), path)
    }
  }

  /// Decodes all pictures, as the child does (`ChildCheck`).
  static func probe(_ path: String) throws(StorageError) {
    do {
      try PictureSupply(path).forEach { _, _ in }
    } catch let error as StorageError {
      throw error
    } catch {
      fatalError("Pictures fail by errors of this module only.")
    }
  }

  /// Decodes all pictures, in order.
  func forEach(_ body: (_ raster: Raster, _ path: String) throws -> Void) throws {
    try stream {
      try body($0, $1)
      return true
    }
  }

  /// Decodes the first picture.
  func first() throws -> (raster: Raster, path: String) {
    var first: (Raster, String)?
    try stream {
      first = ($0, $1)
      return false
    }
    guard let first else {
      throw StorageError.badData(path: path, reason: "has changed while it was read")
    }
    return first
  }

  /// Formats that somebody would expect to be read.
  private static let otherFormats = ["gif", "bmp", "webp", "ppm", "pgm", "jp2", "heic", "avif"]

  /// Whether a name is that of a picture; one of a format that is not read is refused.
  static func isPicture(_ name: String, path: String) throws(StorageError) -> Bool {
    if otherFormats.contains(name.split(separator: ".").last?.lowercased() ?? "") {
      throw .badData(
        path: path, reason: "is not a \(PictureKind.names) file; convert it or move it away")
    }
    return PictureKind(named: name) != nil
  }

  /// The classes that the folders of pictures stand for, in the order of their names.
  ///
  /// - Returns: nil where no picture is in a folder.
  static func classes(
    ofFolders names: [String], in path: String
  ) throws(StorageError) -> (labels: [Int], classNames: [String])? {
    let folders = names.map { name in name.split(separator: "/").dropLast().map(String.init) }
    guard folders.contains(where: { !$0.isEmpty }) else { return nil }
    for (name, folder) in zip(names, folders) where folder.count != 1 {
      if folder.isEmpty { throw stray("\(path)/\(name)") }
      throw .badData(
        path: "\(path)/\(name)", reason: "is in a folder inside the folder of a class")
    }
    let classNames = Set(folders.map { $0[0] }).sorted()
    let places = Dictionary(uniqueKeysWithValues: classNames.enumerated().map { ($1, $0) })
    return (folders.map { places[$0[0]]! }, classNames)
  }

  /// The sentence on a picture without a class among others with one.
  static func stray(_ path: String) -> StorageError {
    .badData(
      path: path, reason: "lies beside the sub-folders of the classes; move it into one of them")
  }

  /// Takes classes and scale from an index.
  mutating func apply(_ index: PictureIndex, path: String) throws(StorageError) {
    labels = try index.classes(of: names ?? [], path: path)
    classNames = index.classNames
    levels = index.levels
  }

  /// The names of files of captions.
  static let captionNames = ["captions.jsonl", "captions.txt"]

  /// Reads the captions beside the pictures; nil where there are none.
  func readCaptions() throws(StorageError) -> ImageCaptions? {
    guard captions.count < 2 else {
      throw .badData(
        path: path,
        reason: "holds both \(Self.captionNames[0]) and \(Self.captionNames[1]); "
          + "move one of them away")
    }
    guard let (file, bytes) = captions.first else { return nil }
    return try CaptionFile.read(file, bytes: bytes, of: path, count: count, names: names)
  }
}
