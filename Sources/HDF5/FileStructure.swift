// The bytes of an HDF5 file but for the elements of its reserved datasets.

import CHDF5
import CLinux
import Glibc

/// What HDF5 itself writes of a file whose large datasets are filled by other means: superblock, groups,
/// headers, attributes, small datasets.
///
/// The library writes it to an anonymous file in memory, where the places of reserved datasets are holes:
/// it takes kilobytes however large they are, and no disk can fail. For any thread, one at a time.
public final class FileStructure: @unchecked Sendable {
  fileprivate let descriptor: Int32
  /// The bytes of the whole file, reserved datasets included.
  public fileprivate(set) var count = 0

  fileprivate init(descriptor: Int32) { self.descriptor = descriptor }

  deinit {
    // int close(int fd): of memory, so that there is nothing to check.
    _ = close(descriptor)
  }

  /// The bytes at a place of the file; zeros in reserved datasets.
  ///
  /// - Parameter range: Of 0 ..< `count`.
  public func bytes(_ range: Range<Int>) -> [UInt8] {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count, "The range lies in the file.")
    return [UInt8](unsafeUninitializedCapacity: range.count) { buffer, filled in
      while filled < range.count {
        // ssize_t pread(int fd, void *buf, size_t count, off_t offset)
        let count = pread(
          descriptor, buffer.baseAddress! + filled, range.count - filled,
          off_t(range.lowerBound + filled))
        precondition(count > 0 || errno == EINTR, "What is in memory can be read.")
        filled += max(0, count)
      }
    }
  }
}

extension File {
  /// Creates a file in memory that has room only for what is written; `finishStructure` gives its bytes.
  ///
  /// - Parameter label: What error messages call the file.
  public static func createStructure(label: String) throws(HDF5Error) -> File {
    let place = Place(file: label)
    // int memfd_create(const char *name, unsigned int flags)
    let descriptor = CLinux_memory_file("hdf5-structure")
    guard descriptor >= 0 else {
      throw .library(
        place: place, doing: "create a file in memory", reason: String(cString: strerror(errno)))
    }
    let structure = FileStructure(descriptor: descriptor)
    let access = try propertyList(CHDF5_P_FILE_ACCESS, place)
    let accessID = access.id
    // herr_t H5Pset_fapl_stdio(hid_t fapl_id): the default driver asks for a path without links.
    try call("select the file driver", place) { H5Pset_fapl_stdio(accessID) }
    // herr_t H5Pset_small_data_block_size(hid_t fapl_id, hsize_t size): elements of small datasets are not
    // collected in blocks, so that datasets lie in the order in which they are created.
    try call("lay datasets out in order", place) { H5Pset_small_data_block_size(accessID, 0) }
    return try create(
      named: "/proc/self/fd/\(descriptor)", place, access, memory: .structure(structure))
  }

  /// Closes a file that was created by `createStructure` and hands out its bytes.
  ///
  /// Everything else of the file must be closed before.
  public consuming func finishStructure() throws(HDF5Error) -> FileStructure {
    guard case .structure(let structure) = memory else {
      preconditionFailure("Only a file that was created as a structure has one.")
    }
    try close()
    var status = stat()
    // int fstat(int fd, struct stat *buf)
    precondition(fstat(structure.descriptor, &status) == 0, "What is in memory has a size.")
    structure.count = Int(status.st_size)
    return structure
  }
}
