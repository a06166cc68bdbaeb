// A ZIP archive of stored files, equal bytes for equal content.

import CArchive
import Glibc

/// A ZIP archive with stored (not compressed) entries, of any size, while it is written.
///
/// Neither a time nor an owner is recorded, so that equal content gives equal bytes.
struct ZIPWriter: ~Copyable {
  private let archive: OpaquePointer
  private let descriptor: Descriptor
  private let target: String

  private static let memory = "There is no memory for an archive."

  /// A writer into an empty file.
  ///
  /// - Parameter target: The file that errors are about.
  init(_ descriptor: consuming Descriptor, target: String) throws(StorageError) {
    // struct archive *archive_write_new(void);
    guard let archive = archive_write_new() else { fatalError(Self.memory) }
    self.archive = archive
    self.descriptor = descriptor
    self.target = target
    // int archive_write_set_format_zip(struct archive *);
    try check(archive_write_set_format_zip(archive))
    // int archive_write_zip_set_compression_store(struct archive *);
    try check(archive_write_zip_set_compression_store(archive))
    // int archive_write_set_options(struct archive *, const char *opts): names are UTF-8 and say so.
    try check(archive_write_set_options(archive, "zip:hdrcharset=UTF-8"))
    // int archive_write_set_bytes_per_block(struct archive *, int bytes_per_block);
    try check(archive_write_set_bytes_per_block(archive, 1 << 20))
    // int archive_write_open_fd(struct archive *, int fd);
    try check(archive_write_open_fd(archive, self.descriptor.number))
  }

  /// Begins an entry; the one before is complete.
  ///
  /// - Parameters:
  ///   - name: The entry's name.
  ///   - size: The entry's size in bytes.
  func begin(entry name: String, size: Int) throws(StorageError) {
    // struct archive_entry *archive_entry_new(void);
    guard let entry = archive_entry_new() else { fatalError(Self.memory) }
    // void archive_entry_free(struct archive_entry *);
    defer { archive_entry_free(entry) }
    // void archive_entry_set_pathname_utf8(struct archive_entry *, const char *);
    archive_entry_set_pathname_utf8(entry, name)
    // void archive_entry_set_filetype(struct archive_entry *, unsigned int);
    archive_entry_set_filetype(entry, CArchive_regularFile())
    // void archive_entry_set_perm(struct archive_entry *, mode_t);
    archive_entry_set_perm(entry, 0o644)
    // void archive_entry_set_size(struct archive_entry *, la_int64_t);
    archive_entry_set_size(entry, Int64(size))
    // int archive_write_header(struct archive *, struct archive_entry *);
    try check(UTF8Locale.with { archive_write_header(archive, entry) })
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

  /// Writes an entry whole.
  func write(entry name: String, _ bytes: [UInt8]) throws(StorageError) {
    try begin(entry: name, size: bytes.count)
    try write(bytes)
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
