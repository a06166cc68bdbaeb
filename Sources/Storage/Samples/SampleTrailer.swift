// The 24 bytes behind an unfinished file of samples, by which it is known and goes on.

import Glibc

/// The end of a file of samples that is not finished: a mark (8 bytes), the number of images that
/// are done and of those that there will be (8 bytes each, little-endian).
///
/// HDF5 does not look behind the end that its header declares.
struct SampleTrailer: Equatable {
  /// `DDPMWRK` and the version of the trailer.
  static let mark = Array("DDPMWRK1".utf8)
  /// The size of the trailer in bytes.
  static let size = 24

  /// The images that are in the file, and on the disk.
  let done: Int
  /// The images that the file will have.
  let total: Int

  /// The trailer of a file with some of its images.
  init(done: Int, total: Int) {
    (self.done, self.total) = (done, total)
  }

  /// Reads the end of a file; nil where it is none of this kind.
  init?(_ descriptor: borrowing Descriptor) throws(SystemFailure) {
    let size = Int(try descriptor.status().st_size)
    guard size > Self.size else { return nil }
    let bytes = try descriptor.read(size - Self.size..<size)
    guard bytes.starts(with: Self.mark) else { return nil }
    func number(at place: Int) -> Int {
      Int(clamping: bytes[place..<place + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }
    (done, total) = (number(at: 8), number(at: 16))
  }

  /// Reads the end of a file at a path; nil where it is none of this kind or cannot be read.
  init?(path: String) {
    guard let descriptor = try? Descriptor(path, O_RDONLY),
      let trailer = try? SampleTrailer(descriptor)
    else { return nil }
    self = trailer
  }

  /// The trailer's bytes.
  var bytes: [UInt8] {
    [done, total].reduce(into: Self.mark) { bytes, number in
      withUnsafeBytes(of: UInt64(number).littleEndian) { bytes.append(contentsOf: $0) }
    }
  }

  /// Whether all images are there.
  var isComplete: Bool { done == total }

  /// As `3200 of 50000 images of an interrupted job`.
  var progress: String { "\(done) of \(total) images of an interrupted job" }
}
