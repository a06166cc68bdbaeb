/// The bytes of an HDF5 file in memory, which the library reads in place, without a copy.

import CHDF5
import Synchronization

/// Owns the bytes of a file that is opened from memory.
///
/// The bytes are filled before `File.open(image:)` and not changed afterwards: the library reads
/// them for as long as anything of the file is open, and holds this object for as long.
public final class FileImage: @unchecked Sendable {
  private let bytes: UnsafeMutableRawBufferPointer
  /// The number of leading bytes that are the HDF5 file; whatever follows is not shown to HDF5.
  let count: Int

  /// Allocates memory and lets a closure fill it.
  ///
  /// - Parameters:
  ///   - capacity: The number of bytes to allocate.
  ///   - fill: Fills the bytes and returns how many of them, from the first, are the HDF5 file.
  public init<Failure: Error>(
    capacity: Int, fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int
  ) throws(Failure) {
    bytes = .allocate(byteCount: max(1, capacity), alignment: 16)
    do {
      count = try fill(UnsafeMutableRawBufferPointer(rebasing: bytes[..<capacity]))
    } catch {
      bytes.deallocate()
      throw error
    }
    precondition(count <= capacity, "An image cannot be longer than its memory.")
  }

  /// Copies bytes that are an HDF5 file.
  public convenience init(_ source: some Collection<UInt8>) {
    self.init(capacity: source.count) { buffer in
      buffer.copyBytes(from: source)
      return source.count
    }
  }

  deinit {
    bytes.deallocate()
  }

  /// Tells a list of file access properties to open these bytes.
  func install(into properties: borrowing Handle, _ place: Place) throws(HDF5Error) {
    let id = properties.id
    // herr_t H5Pset_fapl_core(hid_t fapl_id, size_t increment, hbool_t backing_store)
    try call("select the memory driver", place) { H5Pset_fapl_core(id, 1 << 16, false) }
    var callbacks = H5FD_file_image_callbacks_t(
      image_malloc: { size, _, image in
        guard let image = FileImage.of(image), size == image.count else { return nil }
        return image.bytes.baseAddress
      },
      // Source and destination are the same bytes.
      image_memcpy: { destination, _, _, _, _ in destination },
      // Only a writer would resize.
      image_realloc: { _, _, _, _ in nil },
      image_free: { _, _, _ in 0 },
      udata_copy: { image in
        guard let image else { return nil }
        _ = Unmanaged<FileImage>.fromOpaque(image).retain()
        return image
      },
      udata_free: { image in
        guard let image else { return -1 }
        Unmanaged<FileImage>.fromOpaque(image).release()
        return 0
      },
      udata: Unmanaged.passUnretained(self).toOpaque())
    // herr_t H5Pset_file_image_callbacks(hid_t fapl_id, H5FD_file_image_callbacks_t *callbacks)
    try call("install the image", place) { H5Pset_file_image_callbacks(id, &callbacks) }
    // herr_t H5Pset_file_image(hid_t fapl_id, void *buf_ptr, size_t buf_len)
    try call("install the image", place) { H5Pset_file_image(id, bytes.baseAddress, count) }
  }

  private static func of(_ pointer: UnsafeMutableRawPointer?) -> FileImage? {
    pointer.map { Unmanaged<FileImage>.fromOpaque($0).takeUnretainedValue() }
  }

  private static let opened = Atomic<Int>(0)

  /// A name that no file has: the memory driver looks for one, and takes equal names for one file.
  static func uniqueName() -> String {
    let number = opened.add(1, ordering: .relaxed).newValue
    return "no such folder/in memory only/\(number)"
  }
}
