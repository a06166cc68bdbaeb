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
    if case .folder = FileKind(path) {
      throw .badData(path: path, reason: "is a folder, not a file")
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

  /// The next `count` bytes, or fewer at the end of the file.
  mutating func read(upTo count: Int) throws(StorageError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      // int gzread(gzFile file, voidp buf, unsigned len);
      let got = bytes.withUnsafeMutableBytes {
        gzread(handle, $0.baseAddress! + filled, UInt32(min(count - filled, 1 << 30)))
      }
      try check(got)
      if got == 0 { break }
      filled += Int(got)
    }
    bytes.removeLast(count - filled)
    return bytes
  }

  /// Everything from here to the end of the file.
  mutating func readToEnd() throws(StorageError) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = 1 << 16
    while true {
      let next = try read(upTo: chunk)
      bytes.append(contentsOf: next)
      if next.count < chunk { return bytes }
      chunk = min(chunk * 2, 1 << 24)
    }
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
