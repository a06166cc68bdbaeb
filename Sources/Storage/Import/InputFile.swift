// Plain and gzip'd files are read alike.

import CZlib
import Glibc

/// A file that is read from its beginning, and unpacked on the way where it is gzip'd.
///
/// zlib looks at the first two bytes itself: anything that is not gzip is handed through as it is.
/// The checksum of a gzip'd file is verified when its end is reached (`readToEnd`, `expectEnd`), which
/// libarchive would not do (`docs/decisions/0018`).
struct InputFile: ~Copyable {
  /// The name it was opened by, for messages.
  let path: String
  private let handle: gzFile

  /// Opens the file.
  ///
  /// - Throws: `.missingInput` where it does not exist or may not be read.
  init(path: String) throws(StorageError) {
    switch FileKind(path) {
    case .file, .nothing: break
    case .folder: throw .badData(path: path, reason: "is a folder, not a file")
    case .special:
      throw .badData(
        path: path, reason: "is a device, a pipe or a socket, or leads to one; name a file")
    }
    // gzFile gzopen(const char *path, const char *mode);
    guard let handle = gzopen(path, "rb") else {
      throw .missingInput(path: path, reason: "cannot be opened: \(systemReason(errno))")
    }
    // int gzbuffer(gzFile file, unsigned size);
    gzbuffer(handle, 1 << 17)
    self.path = path
    self.handle = handle
  }

  deinit {
    // int gzclose_r(gzFile file);
    // Only read from: the status would repeat what `read` has reported.
    gzclose_r(handle)
  }

  /// The next `count` bytes, or fewer at the end of the file; memory is taken as they come.
  mutating func read(upTo count: Int) throws(StorageError) -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      let filled = bytes.count
      let wanted = min(count - filled, max(1 << 17, filled), 1 << 30)
      bytes.append(contentsOf: repeatElement(0, count: wanted))
      // int gzread(gzFile file, voidp buf, unsigned len);
      let got = bytes.withUnsafeMutableBytes {
        gzread(handle, $0.baseAddress! + filled, UInt32(wanted))
      }
      try check(got)
      bytes.removeLast(wanted - Int(got))
      if got == 0 { break }
    }
    return bytes
  }

  /// Everything from here to the end of the file.
  ///
  /// - Throws: `.badData` where that is more than `limit` bytes.
  mutating func readToEnd(limit: Int) throws(StorageError) -> [UInt8] {
    let bytes = try read(upTo: limit + 1)
    guard bytes.count <= limit else {
      throw .badData(
        path: path, reason: "has more than \(limit >> 20) MiB, the most of such a file that is read"
      )
    }
    return bytes
  }

  /// Refuses a file that goes on after what its header announced.
  mutating func expectEnd(after contents: String) throws(StorageError) {
    guard try read(upTo: 1).isEmpty else {
      throw .badData(
        path: path,
        reason: "goes on after \(contents); the header or the file is damaged")
    }
  }

  /// The gate that every gzread passes: 0 bytes is the end only where zlib agrees.
  private func check(_ got: Int32) throws(StorageError) {
    guard got <= 0 else { return }
    let system = errno
    var code: Int32 = Z_OK
    // const char *gzerror(gzFile file, int *errnum);
    let text = gzerror(handle, &code).map { String(cString: $0) } ?? ""
    switch code {
    case Z_OK, Z_STREAM_END: return
    case Z_ERRNO:
      throw .inputOutput(
        path: path, reason: "cannot be read: \(systemReason(system))")
    case Z_BUF_ERROR:
      throw .badData(path: path, reason: "is a gzip file that ends too early; fetch it again")
    default:
      throw .badData(
        path: path, reason: "is a damaged gzip file (\(text)); fetch it again")
    }
  }
}
