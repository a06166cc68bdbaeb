// zip and tar archives, one file after the other, without unpacking them anywhere.

import CArchive
import Glibc

/// The files of an archive, in the order in which they lie in it.
///
/// libarchive reads zip, whose checksums it compares, and tar, plain or packed by xz, zstd or bzip2; gzip
/// is unpacked by zlib, which compares its checksum when the end is reached (`docs/decisions/0018`).
/// Nothing is written: names are labels, whatever they say. Links, devices and encrypted files are
/// refused, for what they lead to is not in the archive.
struct ArchiveReader: ~Copyable {
  /// The archive's name, for messages.
  let path: String
  private let archive: OpaquePointer
  /// What libarchive reads a zip file from.
  private let descriptor: Descriptor
  /// What it asks for the bytes of a tar file; nil for zip.
  private let input: Input?

  /// A file of the archive.
  struct Entry: Sendable {
    /// Its name, without `./` before it.
    let name: String
    /// Its size in bytes, as the archive declares it.
    let size: Int
  }

  /// The endings of the names of archives.
  static let endings = [
    ".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".tar.bz2",
  ]

  /// Whether a name ends as those of archives do.
  static func fits(_ path: String) -> Bool {
    endings.contains { path.lowercased().hasSuffix($0) }
  }

  /// Opens an archive.
  ///
  /// - Throws: `.missingInput`, `.inputOutput`, and `.badData` for what is no archive.
  init(path: String) throws(StorageError) {
    _ = try requireFile(path, role: "an archive")
    let input = try Input.ofTar(path)
    let descriptor = try Self.descriptor(path)
    archive = try Self.open(descriptor.number, input, path)
    self.path = path
    self.descriptor = descriptor
    self.input = input
  }

  private static func descriptor(_ path: String) throws(StorageError) -> Descriptor {
    do throws(SystemFailure) {
      return try Descriptor(path, O_RDONLY)
    } catch {
      throw .inputOutput(path: path, reason: "cannot be read: \(error.reason)")
    }
  }

  private static func open(
    _ descriptor: Int32, _ input: Input?, _ path: String
  ) throws(StorageError) -> OpaquePointer {
    // struct archive *archive_read_new(void);
    guard let archive = archive_read_new() else { fatalError("There is no memory for an archive.") }
    do throws(StorageError) {
      func check(_ status: Int32) throws(StorageError) {
        try Self.check(status, archive, input, path)
      }
      if let input {
        for support in [
          archive_read_support_format_tar, archive_read_support_filter_xz,
          archive_read_support_filter_zstd, archive_read_support_filter_bzip2,
        ] {
          // int archive_read_support_…(struct archive *);
          try check(support(archive))
        }
        // int archive_read_open2(struct archive *, void *client_data, archive_open_callback *,
        //   archive_read_callback *, archive_skip_callback *, archive_close_callback *);
        try check(
          archive_read_open2(
            archive, Unmanaged.passUnretained(input).toOpaque(), nil,
            { _, input, buffer in
              Unmanaged<Input>.fromOpaque(input!).takeUnretainedValue().read(buffer!)
            }, nil, nil))
      } else {
        // Only with the table at its end: a zip file that is cut off is refused.
        // int archive_read_support_format_zip_seekable(struct archive *);
        try check(archive_read_support_format_zip_seekable(archive))
        // int archive_read_open_fd(struct archive *, int fd, size_t block_size);
        try check(archive_read_open_fd(archive, descriptor, 1 << 16))
      }
    } catch {
      // int archive_read_free(struct archive *);
      archive_read_free(archive)
      throw error
    }
    return archive
  }

  deinit {
    // int archive_read_free(struct archive *);
    archive_read_free(archive)
  }

  /// The next file; nil at the end of the archive. Folders are passed over.
  mutating func next() throws(StorageError) -> Entry? {
    while true {
      var header: OpaquePointer?
      // int archive_read_next_header(struct archive *, struct archive_entry **);
      let status = UTF8Locale.with { archive_read_next_header(archive, &header) }
      if status == ARCHIVE_EOF {
        try input?.finish()
        return nil
      }
      // A name in other letters than UTF-8 is a warning, and no fault where it can be read.
      if status != ARCHIVE_WARN { try check(status) }
      // const char *archive_entry_pathname_utf8(struct archive_entry *);
      let name = header.flatMap { header in
        UTF8Locale.with {
          (archive_entry_pathname_utf8(header) ?? archive_entry_pathname(header))
            .flatMap { String(validatingCString: $0) }
        }
      }
      guard let header, let name, !name.isEmpty, name.utf8.count <= 4096 else {
        throw .badData(
          path: path, reason: "holds a file whose name is not UTF-8, or too long: pack it again")
      }
      if status == ARCHIVE_WARN, let text = warning(), !text.contains("athname") {
        throw .badData(path: path, reason: "is a damaged archive (\(text)); make it again")
      }
      // unsigned int archive_entry_filetype(struct archive_entry *);
      let type = archive_entry_filetype(header)
      if type == CArchive_folder() { continue }
      // const char *archive_entry_hardlink(struct archive_entry *);
      guard type == CArchive_regularFile(), archive_entry_hardlink(header) == nil else {
        throw .badData(
          path: path,
          reason: "holds \(name), a link or a device; pack the files themselves")
      }
      // int archive_entry_is_encrypted(struct archive_entry *);
      guard archive_entry_is_encrypted(header) == 0 else {
        throw .badData(path: path, reason: "holds \(name), which is encrypted; pack it openly")
      }
      // int archive_entry_size_is_set(struct archive_entry *);
      // la_int64_t archive_entry_size(struct archive_entry *);
      let size = archive_entry_size(header)
      guard archive_entry_size_is_set(header) != 0, size >= 0 else {
        throw .badData(path: path, reason: "does not say how large \(name) is; pack it again")
      }
      return Entry(name: Self.plain(name), size: Int(size))
    }
  }

  private static func plain(_ name: String) -> String {
    var name = name[...]
    while name.hasPrefix("./") { name = name.dropFirst(2) }
    return String(name)
  }

  /// The next bytes of the file in hand, fewer at its end; memory is taken as they come.
  mutating func read(upTo count: Int) throws(StorageError) -> [UInt8] {
    var status = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        let wanted = min(count - filled, 1 << 20)
        // la_ssize_t archive_read_data(struct archive *, void *, size_t);
        status = archive_read_data(archive, buffer.baseAddress! + filled, wanted)
        if status <= 0 { break }
        filled += status
      }
    }
    if status < 0 { try check(Int32(clamping: status)) }
    return bytes
  }

  /// All bytes of the file in hand, of which some may have been read.
  ///
  /// - Throws: `.badData` where it is larger than a picture may be, or not as large as declared.
  mutating func readToEnd(of entry: Entry, behind first: [UInt8]) throws(StorageError) -> [UInt8] {
    guard entry.size <= PictureLimits.file else {
      throw .badData(
        path: "\(path)/\(entry.name)",
        reason:
          "has more than \(PictureLimits.file >> 20) MiB, the most of such a file that is read")
    }
    let rest = try read(upTo: entry.size - first.count)
    guard first.count + rest.count == entry.size, try read(upTo: 1).isEmpty else {
      throw .badData(
        path: path, reason: "is damaged: \(entry.name) has another size than it declares")
    }
    return first.isEmpty ? rest : first + rest
  }

  private func warning() -> String? {
    // const char *archive_error_string(struct archive *);
    archive_error_string(archive).map { String(cString: $0) }
  }

  private func check(_ status: Int32) throws(StorageError) {
    try Self.check(status, archive, input, path)
  }

  /// The gate of libarchive's calls: everything but success, warnings too, is a fault of the archive.
  private static func check(
    _ status: Int32, _ archive: OpaquePointer, _ input: Input?, _ path: String
  ) throws(StorageError) {
    guard status != ARCHIVE_OK else { return }
    if let error = input?.failure { throw error }
    let text = archive_error_string(archive).map { String(cString: $0) }
    throw .badData(
      path: path,
      reason: "is no archive that is read, or a damaged one (\(text ?? "no reason is given")); "
        + "read are zip and tar, packed by gzip, xz, zstd or bzip2")
  }

  /// What libarchive asks for the bytes of a tar archive.
  private final class Input {
    private var file: InputFile
    private var bytes: [UInt8] = []
    /// Why the file cannot be read.
    private(set) var failure: StorageError?

    private init(_ path: String) throws(StorageError) { file = try InputFile(path: path) }

    /// The bytes of a file, or nil for a zip file.
    static func ofTar(_ path: String) throws(StorageError) -> Input? {
      let isZIP = try Input(path).file.read(upTo: 2).elementsEqual("PK".utf8)
      return isZIP ? nil : try Input(path)
    }

    /// Lends the next bytes: how many, 0 at the end, or a negative number after a failure.
    func read(_ buffer: UnsafeMutablePointer<UnsafeRawPointer?>) -> Int {
      do throws(StorageError) {
        bytes = try file.read(upTo: 1 << 16)
      } catch {
        failure = error
        return -1
      }
      // The array is neither changed nor released before the next call.
      buffer.pointee = bytes.withUnsafeBytes { $0.baseAddress }
      return bytes.count
    }

    /// Reads what is behind the archive, so that the checksum of a gzip'd one is compared.
    func finish() throws(StorageError) {
      if let failure { throw failure }
      while try !file.read(upTo: 1 << 16).isEmpty {}
    }
  }
}
