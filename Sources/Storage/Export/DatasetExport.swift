// A dataset for other programs: a folder of PNG files, a zip archive of them, or an npz file.

import Glibc

/// Writes images of a dataset in formats that others read; what appears is whole, equal for equal input.
public enum DatasetExport {
  /// What a dataset becomes.
  public enum Kind: String, CaseIterable, Sendable {
    /// A folder of PNG files.
    case images
    /// A zip archive of PNG files.
    case zip
    /// An npz file of NumPy.
    case npz
  }

  /// Refuses, before any work, a folder that has something in it or cannot be made.
  ///
  /// - Throws: `.cannotCreate`.
  public static func check(folder path: String) throws(StorageError) {
    let path = AtomicFolder.withoutSlash(path)
    switch FileKind(path) {
    case .file, .special:
      throw .cannotCreate(path: path, reason: "is no folder; choose another name for one")
    case .nothing: try AtomicFile.check(target: path)
    case .folder:
      guard try folderNames(path).isEmpty else {
        throw .cannotCreate(
          path: path, reason: "holds other files; choose an empty or a new folder")
      }
      try AtomicFile.check(target: "\(path)/\(PictureIndex.name)")
    }
  }

  /// Writes images of a dataset.
  ///
  /// - Parameters:
  ///   - dataset: The dataset.
  ///   - kind: What is written.
  ///   - path: Where; a file that is there is replaced, a folder must be empty or new.
  ///   - range: The images.
  ///   - progress: Is told how many images of how many are done.
  /// - Throws: `.cannotCreate`, `.inputOutput`, and what reading throws; nothing is left then.
  public static func write(
    _ dataset: ImageDataset, as kind: Kind, to path: String, range: Range<Int>,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws(StorageError) {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= dataset.count && !range.isEmpty,
      "The images must be some of the dataset's.")
    progress(0, range.count)
    switch kind {
    case .images: try writeFolder(PictureExport(dataset, range), to: path, progress)
    case .zip: try writeArchive(PictureExport(dataset, range), to: path, progress)
    case .npz:
      var open = try OpenImages.open(dataset, memoryLimit: 1 << 26)
      try NumPyArchive.write(
        count: range.count, shape: dataset.shape, format: dataset.format,
        labels: dataset.labels.map { Array($0[range]) }, to: path
      ) { (images) throws(StorageError) in
        let first = range.lowerBound
        progress(images.upperBound, range.count)
        return try open.bytes(of: first + images.lowerBound..<first + images.upperBound)
      }
    }
  }

  private static func writeArchive(
    _ export: PictureExport, to path: String, _ progress: (Int, Int) -> Void
  ) throws(StorageError) {
    let file = try TemporaryFile(for: path)
    let archive = try ZIPWriter(try file.open(), target: path)
    // Before the pictures, where a reader that cannot go back wants it.
    for (name, bytes) in try export.sidecars() { try archive.write(entry: name, bytes) }
    var done = 0
    try export.forEachPicture { (name, png) throws(StorageError) in
      try archive.write(entry: name, png)
      done += 1
      progress(done, export.range.count)
    }
    try archive.finish()
    try file.publish()
  }

  private static func writeFolder(
    _ export: PictureExport, to path: String, _ progress: (Int, Int) -> Void
  ) throws(StorageError) {
    try check(folder: path)
    let folder = try AtomicFolder(path)
    for name in Set(export.names.compactMap { $0.contains("/") ? parentFolder(of: $0) : nil }) {
      _ = try folder.makeFolder(name)
    }
    for (name, bytes) in try export.sidecars() { try folder.write(bytes, to: name) }
    var done = 0
    try export.forEachPicture { (name, png) throws(StorageError) in
      try folder.write(png, to: name)
      done += 1
      progress(done, export.range.count)
    }
    try folder.publish(replacing: false, forcing: true)
  }
}
