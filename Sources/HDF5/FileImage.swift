// The bytes of an HDF5 file in memory, which the library reads and writes in place.

import CHDF5
import Glibc
import Synchronization

/// Owns the bytes of a file in memory.
///
/// For reading, the bytes are filled before `File.open(image:)` and not changed afterwards. For
/// writing, the library makes them grow until `File.finish` hands them out. The library holds this
/// object for as long as anything of the file is open. In both directions there is one copy of the
/// bytes, where the library's own functions would make three.
public final class FileImage: @unchecked Sendable {
  private var bytes: UnsafeMutableRawBufferPointer
  /// The number of leading bytes that are the HDF5 file; whatever follows is not shown to HDF5.
  public internal(set) var count: Int
  /// Whether the library's driver has closed the file that it kept in this memory.
  private(set) var isReleased = false
  /// Whether the bytes are those of a file, mapped into memory.
  private let isMapped: Bool

  /// Allocates memory and lets a closure fill it.
  ///
  /// - Parameters:
  ///   - capacity: The number of bytes to allocate.
  ///   - fill: Fills the bytes and returns how many of them, from the first, are the HDF5 file.
  public init<Failure: Error>(
    capacity: Int, fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
  ) throws(Failure) {
    let bytes = UnsafeMutableRawBufferPointer(start: Self.allocate(capacity), count: capacity)
    do {
      count = try fill(bytes)
    } catch {
      free(bytes.baseAddress)
      throw error
    }
    precondition(count <= capacity, "An image cannot be longer than its memory.")
    self.bytes = bytes
    isMapped = false
  }

  /// Maps the first bytes of an open file: only those that are looked at are read.
  ///
  /// For a process that may fail, which it does where the file is cut off meanwhile.
  ///
  /// - Parameters:
  ///   - descriptor: The file; it may be closed afterwards.
  ///   - count: How many bytes are the HDF5 file, at least 1; the file must have them.
  /// - Returns: nil where the system refuses, which `errno` explains.
  public init?(mapping descriptor: Int32, count: Int) {
    precondition(count > 0, "An image has bytes.")
    // void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
    let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let start, start != MAP_FAILED else { return nil }
    bytes = UnsafeMutableRawBufferPointer(start: start, count: count)
    self.count = count
    isMapped = true
  }

  /// Copies bytes that are an HDF5 file.
  public convenience init(_ source: some Collection<UInt8>) {
    self.init(capacity: source.count) { buffer in
      buffer.copyBytes(from: source)
      return source.count
    }
  }

  /// The empty memory of a file that is about to be created.
  init() {
    bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    count = 0
    isMapped = false
  }

  deinit {
    // int munmap(void *addr, size_t length)
    if isMapped { munmap(bytes.baseAddress, bytes.count) } else { free(bytes.baseAddress) }
  }

  private static func allocate(_ count: Int) -> UnsafeMutableRawPointer {
    guard let memory = malloc(max(1, count)) else {
      fatalError("There is no memory for a file of \(count) bytes.")
    }
    return memory
  }

  /// Lends the bytes of the HDF5 file.
  public func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
  }

  /// Tells a list of file access properties to keep the file in this memory.
  ///
  /// - Parameters:
  ///   - increment: The memory of a file that is written grows in steps of this many bytes.
  func install(
    into properties: borrowing Handle, increment: Int, _ place: Place
  ) throws(HDF5Error) {
    let id = properties.id
    // herr_t H5Pset_fapl_core(hid_t fapl_id, size_t increment, hbool_t backing_store)
    try call("select the memory driver", place) { H5Pset_fapl_core(id, increment, false) }
    var callbacks = H5FD_file_image_callbacks_t(
      image_malloc: { size, operation, image in
        guard let image, size == FileImage.of(image).count else { return nil }
        if operation == H5FD_FILE_IMAGE_OP_FILE_OPEN { FileImage.hold(image) }
        return FileImage.of(image).bytes.baseAddress
      },
      // Source and destination are the same bytes.
      image_memcpy: { destination, _, _, _, _ in destination },
      image_realloc: { _, size, _, image in image.flatMap { FileImage.of($0).grow(to: size) } },
      image_free: { _, operation, image in
        guard let image else { return -1 }
        if operation == H5FD_FILE_IMAGE_OP_FILE_CLOSE {
          FileImage.of(image).isReleased = true
          FileImage.letGo(image)
        }
        return 0
      },
      udata_copy: { image in
        if let image { FileImage.hold(image) }
        return image
      },
      udata_free: { image in
        guard let image else { return -1 }
        FileImage.letGo(image)
        return 0
      },
      udata: Unmanaged.passUnretained(self).toOpaque())
    // herr_t H5Pset_file_image_callbacks(hid_t fapl_id, H5FD_file_image_callbacks_t *callbacks)
    try call("install the image", place) { H5Pset_file_image_callbacks(id, &callbacks) }
    if count > 0 {
      // herr_t H5Pset_file_image(hid_t fapl_id, void *buf_ptr, size_t buf_len)
      try call("install the image", place) { H5Pset_file_image(id, bytes.baseAddress, count) }
    }
  }

  private func grow(to size: Int) -> UnsafeMutableRawPointer? {
    guard let memory = realloc(bytes.baseAddress, max(1, size)) else { return nil }
    // The driver releases nothing before it is closed, so the first growth is its opening.
    if bytes.baseAddress == nil { Self.hold(Unmanaged.passUnretained(self).toOpaque()) }
    bytes = UnsafeMutableRawBufferPointer(start: memory, count: size)
    return memory
  }

  private static func of(_ pointer: UnsafeMutableRawPointer) -> FileImage {
    Unmanaged<FileImage>.fromOpaque(pointer).takeUnretainedValue()
  }

  private static func hold(_ pointer: UnsafeMutableRawPointer) {
    _ = Unmanaged<FileImage>.fromOpaque(pointer).retain()
  }

  private static func letGo(_ pointer: UnsafeMutableRawPointer) {
    Unmanaged<FileImage>.fromOpaque(pointer).release()
  }

  private static let opened = Atomic<Int>(0)

  /// A name that no file has: the memory driver looks for one, and takes equal names for one file.
  static func uniqueName() -> String {
    let number = opened.add(1, ordering: .relaxed).newValue
    return "no such folder/in memory only/\(number)"
  }
}
