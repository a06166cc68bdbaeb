// A folder of PNG files: directly, without labels, or in one sub-folder per class.

import Tensors

extension ImportSource {
  /// The PNG files of a folder, all of one size, in the order of their names.
  ///
  /// Sub-folders are classes, numbered in the order of their names, which name them. Files that
  /// are not pictures are passed over, but for `captions.jsonl` or `captions.txt` (`CaptionFile`);
  /// pictures of another format are refused, for leaving them out would not be noticed.
  ///
  /// - Parameters:
  ///   - channels: 1 turns all into grey, 3 into colour; nil takes what the first one has and refuses
  ///     a mixture.
  ///   - readsCaptions: Whether a file of captions in the folder is read.
  /// - Throws: `StorageError` that names the first file that does not fit.
  public static func pictures(
    folder: String, channels: Int? = nil, readsCaptions: Bool = true
  ) throws(StorageError) -> ImportSource {
    precondition(channels == nil || channels == 1 || channels == 3, "Channels are 1 or 3.")
    let listing = try PictureTree(folder)
    let first = try Picture(png: listing.files[0].path, rounding: false)
    guard
      let shape = ImageShape.checked(
        height: first.shape.height, width: first.shape.width,
        channels: channels ?? first.shape.channels)
    else {
      throw .badData(path: listing.files[0].path, reason: "is too large for an image of a dataset")
    }
    let header = ImportedHeader(
      path: folder, shape: shape, format: .levels(256), count: listing.files.count,
      hasLabels: listing.classNames != nil, classNames: listing.classNames,
      suggestedName: suggestedName(for: folder))
    let names = listing.files.map { String($0.path.dropFirst(folder.count + 1)) }
    let captions =
      readsCaptions
      ? try sidecar(in: folder).map { (path) throws(StorageError) in
        try CaptionFile.read(path, of: folder, count: header.count, names: names)
      } : nil
    return ImportSource(header: header, captions: captions, names: names) { sink in
      for start in stride(from: 0, to: header.count, by: shape.importBatch) {
        let files = listing.files[start..<min(start + shape.importBatch, header.count)]
        var pixels: [UInt8] = []
        pixels.reserveCapacity(files.count * shape.count)
        for file in files {
          pixels += try image(of: file.path, shape, converting: channels != nil)
        }
        try sink(pixels, header.hasLabels ? files.map(\.label) : nil)
      }
    }
  }

  /// The file of captions in a folder of pictures, if there is one.
  private static func sidecar(in folder: String) throws(StorageError) -> String? {
    let there = ["captions.jsonl", "captions.txt"].filter {
      if case .nothing = FileKind(folder + "/" + $0) { false } else { true }
    }
    guard there.count < 2 else {
      throw .badData(
        path: folder, reason: "holds both \(there[0]) and \(there[1]); move one of them away")
    }
    return there.first.map { folder + "/" + $0 }
  }

  private static func image(
    of path: String, _ shape: ImageShape, converting: Bool
  ) throws(StorageError) -> [UInt8] {
    let picture = try Picture(png: path, rounding: false)
    guard picture.shape.height == shape.height, picture.shape.width == shape.width else {
      throw .badData(
        path: path,
        reason: "has \(picture.shape.height) × \(picture.shape.width) pixels where the first "
          + "picture has \(shape.height) × \(shape.width); make them all of one size")
    }
    guard converting || picture.shape.channels == shape.channels else {
      let (this, first) = shape.channels == 1 ? ("in colour", "grey") : ("grey", "in colour")
      throw .badData(
        path: path,
        reason: "is \(this) where the first picture is \(first); "
          + "ask for 1 or 3 channels to convert them all")
    }
    return picture.converted(toChannels: shape.channels).pixels
  }
}

/// The PNG files of a folder and of its sub-folders.
private struct PictureTree {
  /// The files and their classes, in order; never empty. Without sub-folders the class is 0.
  var files: [(path: String, label: Int)] = []
  /// The names of the sub-folders, nil where there are none.
  let classNames: [String]?

  init(_ folder: String) throws(StorageError) {
    let names = try Self.names(in: folder)
    let subfolders = names.filter { Self.isFolder(folder + "/" + $0) }
    classNames = subfolders.isEmpty ? nil : subfolders
    let direct = try Self.pictures(in: folder, names.filter { !subfolders.contains($0) })
    if subfolders.isEmpty {
      files = direct.map { ($0, 0) }
    } else if let stray = direct.first {
      throw .badData(
        path: stray,
        reason: "lies beside the sub-folders of the classes; move it into one of them")
    }
    for (label, name) in subfolders.enumerated() {
      let path = folder + "/" + name
      let pictures = try Self.pictures(in: path, try Self.names(in: path))
      guard !pictures.isEmpty else {
        throw .badData(
          path: path, reason: "this folder of a class holds no PNG file; fill it or remove it")
      }
      files += pictures.map { ($0, label) }
    }
    guard !files.isEmpty else {
      throw .badData(path: folder, reason: "this folder holds no PNG file")
    }
  }

  /// The names in a folder that are not hidden, sorted.
  private static func names(in folder: String) throws(StorageError) -> [String] {
    switch FileKind(folder) {
    case .folder, .nothing: break
    case .file, .special: throw .badData(path: folder, reason: "is not a folder")
    }
    return try folderNames(folder).filter { !$0.hasPrefix(".") }
  }

  private static func isFolder(_ path: String) -> Bool {
    if case .folder = FileKind(path) { true } else { false }
  }

  /// Formats that somebody would expect to be read.
  private static let otherFormats = ["jpg", "jpeg", "gif", "bmp", "webp", "tif", "tiff", "ppm"]

  /// The paths of the PNG files among `names`.
  private static func pictures(
    in folder: String, _ names: [String]
  ) throws(StorageError) -> [String] {
    var paths: [String] = []
    for name in names {
      let path = folder + "/" + name
      let ending = name.split(separator: ".").last?.lowercased() ?? ""
      if isFolder(path) {
        throw .badData(path: path, reason: "is a folder inside the folder of a class")
      }
      if otherFormats.contains(ending) {
        throw .badData(path: path, reason: "is not a PNG file; convert it or move it away")
      }
      if ending == "png" { paths.append(path) }
    }
    return paths
  }
}
