// Samples as a folder of pictures, an image a file.

import CLinux
import Glibc
import Tensors

/// A folder of PNG files `00012/img00012345.png` beside a manifest, `samples.json`, a text that says
/// which images these are.
///
/// Image 12345 is in the folder of its thousand. Each file appears complete, so that a job that was
/// killed goes on with those that are `missing`. Jobs with the same manifest may write different
/// images into one folder at the same time.
public struct PictureFolder: Sendable {
  /// The folder's path, without a slash at its end.
  public let path: String
  /// The extents of one image; its channels are 1 or 3.
  public let shape: ImageShape
  /// What the bytes of images mean.
  public let format: PixelFormat

  /// The name of the manifest.
  public static let manifestName = "samples.json"
  /// The images in a folder.
  private static let together = 1000

  /// Whether a path stands for a folder: it ends in a slash, or a folder is there.
  public static func fits(_ path: String) -> Bool {
    if path.hasSuffix("/") { return true }
    if case .folder = FileKind(path) { return true }
    return false
  }

  /// Refuses, before any work, a folder that cannot be written to or is not that of this job.
  ///
  /// - Parameters:
  ///   - path: A folder that does not exist yet, is empty, or holds the same manifest.
  ///   - manifest: Everything that decides on the images but their number, as a text.
  ///   - shape: The extents of one image.
  /// - Throws: `.cannotCreate`.
  public static func check(
    _ path: String, manifest: String, shape: ImageShape
  ) throws(StorageError) {
    let path = AtomicFolder.withoutSlash(path)
    guard shape.channels == 1 || shape.channels == 3 else {
      throw .cannotCreate(
        path: path,
        reason: "cannot hold pictures of \(shape.channels) channels, for PNG files have 1 or 3; "
          + "write a .h5 file")
    }
    switch FileKind(path) {
    case .file, .special:
      throw .cannotCreate(path: path, reason: "is no folder; choose another name for one")
    case .nothing: try AtomicFile.check(target: path)
    case .folder:
      try AtomicFile.check(target: "\(path)/\(manifestName)")
      let names = try folderNames(path).filter { TemporaryFile.target(of: $0) != manifestName }
      if names.contains(manifestName) {
        try compareManifest(of: path, with: manifest)
      } else if !names.isEmpty {
        throw .cannotCreate(
          path: path,
          reason: "holds other files, and no \(manifestName) of such pictures; choose an empty or "
            + "a new folder")
      }
    }
  }

  /// Opens a folder for the pictures, or makes it and its manifest.
  ///
  /// - Throws: `.cannotCreate` as `check`; `.inputOutput`.
  public init(
    _ path: String, manifest: String, shape: ImageShape, format: PixelFormat
  ) throws(StorageError) {
    try Self.check(path, manifest: manifest, shape: shape)
    let path = AtomicFolder.withoutSlash(path)
    (self.path, self.shape, self.format) = (path, shape, format)
    try Self.makeFolder(path)
    let file = try TemporaryFile(for: "\(path)/\(Self.manifestName)")
    try Array(manifest.utf8).withUnsafeBufferPointer { (text) throws(StorageError) in
      try file.write([UnsafeRawBufferPointer(text)])
    }
    // Of several jobs that begin at a time, one has written it.
    if try !file.publishIfAbsent() { try Self.compareManifest(of: path, with: manifest) }
  }

  /// The images that are not there whole, in order.
  ///
  /// Every picture is decoded: after a power failure a file may be there and its content may not.
  /// Before that, temporary files of pictures that writers have left in these folders are removed,
  /// if they are older than an hour by the clock of the file system: a writer needs its own for
  /// less than a second, and from the name alone nobody can tell whether a process on another host
  /// is still there.
  ///
  /// - Parameter range: The numbers of images.
  /// - Throws: `.inputOutput`.
  public func missing(of range: Range<Int>) throws(StorageError) -> [Int] {
    precondition(range.lowerBound >= 0, "Images are numbered from 0.")
    guard !range.isEmpty else { return [] }
    try removeStale(range.lowerBound / Self.together...(range.upperBound - 1) / Self.together)
    return range.filter { image in
      let path = file(of: image)
      guard case .file = FileKind(path), let picture = try? Picture(png: path) else { return true }
      return picture.shape != shape
    }
  }

  /// Writes the picture of an image; one that is there is replaced.
  ///
  /// Levels and ranges become greys as in `ImageGrid` and `NumPyArchive`. What is written survives
  /// the process; the power may fail only after `finish`.
  ///
  /// - Parameters:
  ///   - pixels: The image's values, channels last, in the bytes of the format.
  ///   - image: Its number.
  /// - Throws: `.cannotCreate`, `.inputOutput`.
  public func write(_ pixels: [UInt8], image: Int) throws(StorageError) {
    precondition(image >= 0, "Images are numbered from 0.")
    precondition(pixels.count == shape.count * format.bytes, "A picture shows one image.")
    let bytes = Picture(shape: shape, pixels: format.greys(of: pixels)).pngBytes()
    try Self.makeFolder(folder(image / Self.together))
    let file = try TemporaryFile(for: file(of: image))
    try bytes.withUnsafeBufferPointer { (buffer) throws(StorageError) in
      try file.write([UnsafeRawBufferPointer(buffer)], durably: false)
    }
    try file.publish(durably: false)
  }

  /// Makes sure that all pictures are there, and forces everything that was written to the disk.
  ///
  /// - Parameter images: Those of the job.
  /// - Throws: `.inputOutput`, where somebody has removed some as well.
  public func finish(_ images: Range<Int>) throws(StorageError) {
    let gone = [Self.manifestName] + images.map { file(of: $0).dropFirst(path.count + 1) }
    let missing = gone.first { name in
      if case .file = FileKind("\(path)/\(name)") { false } else { true }
    }
    if let missing {
      throw .inputOutput(
        path: path, reason: "has lost \(missing) meanwhile; draw what is missing with --resume")
    }
    do throws(SystemFailure) {
      let descriptor = try Descriptor(path, O_RDONLY | O_DIRECTORY)
      let number = descriptor.number
      // int syncfs(int fd): the whole file system, in one call for all files.
      try systemCall { CLinux_syncfs(number) }
      try descriptor.close()
    } catch {
      throw .inputOutput(path: path, reason: "cannot write the pictures: \(error.reason)")
    }
  }

  /// The path of an image's picture.
  public func file(of image: Int) -> String {
    "\(folder(image / Self.together))/img\(Self.digits(image, 8)).png"
  }

  private func folder(_ thousand: Int) -> String { "\(path)/\(Self.digits(thousand, 5))" }

  /// A number with zeros before it, in at least so many digits.
  private static func digits(_ number: Int, _ count: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, count - digits.count)) + digits
  }

  private static func makeFolder(_ path: String) throws(StorageError) {
    do throws(SystemFailure) {
      // int mkdir(const char *path, mode_t mode)
      try systemCall { mkdir(path, 0o777) }
    } catch {
      if error.code == EEXIST { return }
      throw .cannotCreate(path: path, reason: "cannot be created: \(error.reason)")
    }
  }

  private static func compareManifest(
    of path: String, with manifest: String
  ) throws(StorageError) {
    let name = "\(path)/\(manifestName)"
    guard case .file = FileKind(name) else {
      throw .cannotCreate(path: path, reason: "has a \(manifestName) that is no file")
    }
    let found: [UInt8]
    do throws(SystemFailure) {
      found = try Descriptor(name, O_RDONLY).read(0..<manifest.utf8.count + 1)
    } catch {
      throw .cannotCreate(
        path: path, reason: "has a \(manifestName) that cannot be read: \(error.reason)")
    }
    guard found == Array(manifest.utf8) else {
      throw .cannotCreate(
        path: path,
        reason: "holds the pictures of another job (its \(manifestName) is another); choose "
          + "another folder")
    }
  }

  /// Removes temporary files of pictures that nobody writes any more.
  private func removeStale(_ thousands: ClosedRange<Int>) throws(StorageError) {
    let new = try TemporaryFile(for: "\(path)/\(Self.manifestName)")
    let now: stat
    do throws(SystemFailure) {
      now = try Descriptor(new.path, O_RDONLY).status()
    } catch {
      throw .inputOutput(path: path, reason: "cannot be listed: \(error.reason)")
    }
    for thousand in thousands {
      let folder = folder(thousand)
      guard case .folder = FileKind(folder) else { continue }
      for name in try folderNames(folder) where Self.isTemporary(name) {
        let path = "\(folder)/\(name)"
        var status = stat()
        // int stat(const char *path, struct stat *buf); int unlink(const char *path)
        if stat(path, &status) == 0, status.st_mtim.tv_sec < now.st_mtim.tv_sec - 3600 {
          _ = unlink(path)
        }
      }
    }
  }

  /// Whether a name is that of a picture while it is written.
  private static func isTemporary(_ name: String) -> Bool {
    guard let target = TemporaryFile.target(of: name), target.hasPrefix("img"),
      target.hasSuffix(".png")
    else { return false }
    return target.dropFirst(3).dropLast(4).allSatisfy(\.isNumber)
  }
}
