// Samples for evaluators in Python.

import CArchive
import Glibc
import Tensors

/// An `.npz` file with one array `arr_0` of images: what NumPy reads and FID evaluators expect.
///
/// It is a ZIP archive, of any size, with one stored entry `arr_0.npy`: the header of NumPy's format
/// version 1.0 (`numpy.lib.format`), then the values. libarchive writes the archive.
public enum NumPyArchive {
  /// Writes images (count × height × width × channels) into a file that appears complete or not at
  /// all; equal images give equal bytes.
  ///
  /// - Parameters:
  ///   - images: Values in the bytes of the format. Grey levels are written as unsigned bytes on
  ///     the scale 0 … 255, which evaluators expect, and continuous values as they are, 32-bit floats.
  /// - Throws: `StorageError` where the file cannot be written.
  public static func write(
    images: [UInt8], count: Int, shape: ImageShape, format: PixelFormat, to path: String
  ) throws(StorageError) {
    let size = shape.count * format.bytes
    precondition(images.count == count * size, "The images are as many as the shape says.")
    try write(count: count, shape: shape, format: format, to: path) { range in
      Array(images[range.lowerBound * size..<range.upperBound * size])
    }
  }

  /// Writes images as `write(images:)` does, of which only some are in memory at a time.
  ///
  /// - Parameters:
  ///   - images: Gives the values of some images, about 4 MiB; asked in order, once each.
  /// - Throws: `StorageError` where the file cannot be written, and what `images` throws.
  public static func write(
    count: Int, shape: ImageShape, format: PixelFormat, to path: String,
    reading images: (Range<Int>) throws(StorageError) -> [UInt8]
  ) throws(StorageError) {
    let header = arrayHeader(
      type: format.element == .uint8 ? "|u1" : format.element == .uint16 ? "<u2" : "<f4",
      extents: [count, shape.height, shape.width, shape.channels])
    let size = shape.count * format.bytes
    let file = try TemporaryFile(for: path)
    let archive = ZIPWriter(try file.open(), target: path)
    try archive.begin(entry: "arr_0.npy", size: header.count + count * size)
    try archive.write(header)
    let together = max(1, (4 << 20) / max(1, size))
    for first in stride(from: 0, to: count, by: together) {
      let range = first..<min(first + together, count)
      let values = try images(range)
      precondition(values.count == range.count * size, "The images are as many as asked for.")
      try archive.write(format.bytes == 1 ? format.greys(of: values) : values)
    }
    try archive.finish()
    try file.publish()
  }

  /// The bytes before an array: magic, version 1.0, length, Python dictionary.
  private static func arrayHeader(type: String, extents: [Int]) -> [UInt8] {
    let shape = extents.map(String.init).joined(separator: ", ")
    var text = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(shape)), }"
    // 10 bytes come before the text, 1 newline ends it; the sum is a multiple of 64.
    text += String(repeating: " ", count: 63 - (10 + text.utf8.count) % 64) + "\n"
    var bytes = [0x93] + Array("NUMPY".utf8) + [1, 0]
    withUnsafeBytes(of: UInt16(text.utf8.count).littleEndian) { bytes.append(contentsOf: $0) }
    return bytes + Array(text.utf8)
  }
}

/// A ZIP archive with one stored (not compressed) entry, while it is written.
///
/// Neither a time nor an owner is recorded, so that equal content gives equal bytes.
private struct ZIPWriter: ~Copyable {
  private let archive: OpaquePointer
  private let descriptor: Descriptor
  private let target: String

  private static let memory = "There is no memory for an archive."

  /// A writer into an empty file.
  ///
  /// - Parameter target: The file that errors are about.
  init(_ descriptor: consuming Descriptor, target: String) {
    // struct archive *archive_write_new(void);
    guard let archive = archive_write_new() else { fatalError(Self.memory) }
    self.archive = archive
    self.descriptor = descriptor
    self.target = target
  }

  /// Begins the archive and its entry.
  ///
  /// - Parameters:
  ///   - name: The entry's name, in ASCII.
  ///   - size: The entry's size in bytes.
  func begin(entry name: String, size: Int) throws(StorageError) {
    // struct archive_entry *archive_entry_new(void);
    guard let entry = archive_entry_new() else { fatalError(Self.memory) }
    // void archive_entry_free(struct archive_entry *);
    defer { archive_entry_free(entry) }
    // int archive_write_set_format_zip(struct archive *);
    try check(archive_write_set_format_zip(archive))
    // int archive_write_zip_set_compression_store(struct archive *);
    try check(archive_write_zip_set_compression_store(archive))
    // int archive_write_set_bytes_per_block(struct archive *, int bytes_per_block);
    try check(archive_write_set_bytes_per_block(archive, 1 << 20))
    // int archive_write_open_fd(struct archive *, int fd);
    try check(archive_write_open_fd(archive, descriptor.number))
    // void archive_entry_set_pathname(struct archive_entry *, const char *);
    archive_entry_set_pathname(entry, name)
    // void archive_entry_set_filetype(struct archive_entry *, unsigned int);
    archive_entry_set_filetype(entry, CArchive_regularFile())
    // void archive_entry_set_perm(struct archive_entry *, mode_t);
    archive_entry_set_perm(entry, 0o644)
    // void archive_entry_set_size(struct archive_entry *, la_int64_t);
    archive_entry_set_size(entry, Int64(size))
    // int archive_write_header(struct archive *, struct archive_entry *);
    try check(archive_write_header(archive, entry))
  }

  /// Writes the next bytes of the entry.
  func write(_ bytes: [UInt8]) throws(StorageError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      // la_ssize_t archive_write_data(struct archive *, const void *, size_t);
      let count = rest.withUnsafeBytes { archive_write_data(archive, $0.baseAddress, $0.count) }
      try check(Int32(clamping: min(count, 0)))
      precondition(count > 0, "An entry takes as many bytes as its header says.")
      rest = rest.dropFirst(count)
    }
  }

  /// Ends the archive and forces it to the disk.
  consuming func finish() throws(StorageError) {
    // int archive_write_close(struct archive *);
    try check(archive_write_close(archive))
    do throws(SystemFailure) {
      try descriptor.synchronize()
    } catch {
      throw .inputOutput(path: target, reason: "cannot write the file: \(error.reason)")
    }
  }

  deinit {
    // int archive_write_fail(struct archive *): an archive that is not finished stays so.
    _ = archive_write_fail(archive)
    // int archive_write_free(struct archive *);
    _ = archive_write_free(archive)
  }

  /// The gate of libarchive's calls: negative is a failure, or a warning that nothing here deserves.
  private func check(_ status: Int32) throws(StorageError) {
    guard status < 0 else { return }
    // int archive_errno(struct archive *); const char *archive_error_string(struct archive *);
    let code = archive_errno(archive)
    let text = archive_error_string(archive).map { String(cString: $0) } ?? "no reason is given"
    throw .inputOutput(
      path: target, reason: "cannot write the file: \(code > 0 ? systemReason(code) : text)")
  }
}
