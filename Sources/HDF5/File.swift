/// HDF5 files: opened for reading from a path or from memory, created at a path or in memory.

import CHDF5

/// An open HDF5 file.
///
/// Handles of this module belong to one thread at a time. A file that was created is ended by
/// `close`, which is checked; one that was only read may just go out of scope.
public struct File: ~Copyable {
  private let handle: Handle
  /// The path or label of the file.
  public let place: Place

  private init(_ id: hid_t, _ place: Place) {
    handle = Handle(id, release: H5Fclose)
    self.place = place
  }

  /// Whether a file begins with an HDF5 signature; false for files that cannot be read.
  public static func isHDF5(_ path: String) -> Bool {
    // htri_t H5Fis_hdf5(const char *filename)
    ((try? call("look at the file", Place(file: path)) { H5Fis_hdf5(path) }) ?? 0) > 0
  }

  /// Opens a file for reading.
  public static func open(_ path: String) throws(HDF5Error) -> File {
    let place = Place(file: path)
    // hid_t H5Fopen(const char *filename, unsigned flags, hid_t fapl_id)
    let id = try call("open the file", place) { H5Fopen(path, CHDF5_F_ACC_RDONLY(), 0) }
    return File(id, place)
  }

  /// Opens the bytes of a file in memory for reading, without a copy.
  ///
  /// - Parameters:
  ///   - image: The bytes.
  ///   - label: What error messages call the file.
  public static func open(image: FileImage, label: String) throws(HDF5Error) -> File {
    let place = Place(file: label)
    guard image.count > 0 else { throw .refused(place: place, reason: "is empty") }
    let access = try propertyList(CHDF5_P_FILE_ACCESS(), place)
    try image.install(into: access, place)
    let accessID = access.id
    let id = try call("open the file", place) {
      H5Fopen(FileImage.uniqueName(), CHDF5_F_ACC_RDONLY(), accessID)
    }
    return File(id, place)
  }

  /// Creates a file at a path, emptying one that is there.
  public static func create(_ path: String) throws(HDF5Error) -> File {
    try create(named: path, Place(file: path), increment: nil)
  }

  /// Creates a file in memory; `withImage` gives its bytes.
  ///
  /// - Parameters:
  ///   - label: What error messages call the file.
  ///   - increment: The memory grows in steps of this many bytes: the expected size saves copies.
  public static func createInMemory(
    label: String, increment: Int = 1 << 20
  ) throws(HDF5Error) -> File {
    try create(named: FileImage.uniqueName(), Place(file: label), increment: increment)
  }

  private static func create(
    named name: String, _ place: Place, increment: Int?
  ) throws(HDF5Error) -> File {
    let access = try propertyList(CHDF5_P_FILE_ACCESS(), place)
    let accessID = access.id
    if let increment {
      precondition(increment > 0, "The increment of a file in memory must be positive.")
      try call("select the memory driver", place) { H5Pset_fapl_core(accessID, increment, false) }
    }
    let creation = try propertyList(CHDF5_P_FILE_CREATE(), place)
    let creationID = creation.id
    // herr_t H5Pset_obj_track_times(hid_t plist_id, hbool_t track_times)
    try call("turn object times off", place) { H5Pset_obj_track_times(creationID, false) }
    // hid_t H5Fcreate(const char *filename, unsigned flags, hid_t fcpl_id, hid_t fapl_id)
    let id = try call("create the file", place) {
      H5Fcreate(name, CHDF5_F_ACC_TRUNC(), creationID, accessID)
    }
    return File(id, place)
  }

  /// The file's root group.
  public func root() throws(HDF5Error) -> Group {
    let id = handle.id
    // hid_t H5Gopen2(hid_t loc_id, const char *name, hid_t gapl_id)
    return Group(try call("open the root group", place) { H5Gopen2(id, "/", 0) }, place)
  }

  /// Brings the file up to date and lends its bytes; only for a file that was created in memory.
  ///
  /// Datasets and groups should be closed before.
  public func withImage<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(HDF5Error) -> Swift.Result<Result, Failure> {
    let id = handle.id
    // herr_t H5Fflush(hid_t object_id, H5F_scope_t scope)
    try call("flush", place) { H5Fflush(id, H5F_SCOPE_GLOBAL) }
    // ssize_t H5Fget_file_image(hid_t file_id, void *buf_ptr, size_t buf_len): a null buffer asks
    // for the size.
    let count = try call("measure the file", place) { H5Fget_file_image(id, nil, 0) }
    var address: UnsafeMutableRawPointer?
    // herr_t H5Fget_vfd_handle(hid_t file_id, hid_t fapl, void **file_handle): for the memory driver
    // a pointer to the pointer to the bytes, which saves the copy that H5Fget_file_image makes.
    try call("reach the file's memory", place) { H5Fget_vfd_handle(id, 0, &address) }
    guard let bytes = address?.assumingMemoryBound(to: UnsafeRawPointer?.self).pointee else {
      throw .library(place: place, doing: "reach the file's memory", reason: "it has none")
    }
    let image = UnsafeRawBufferPointer(start: bytes, count: count)
    do throws(Failure) {
      return .success(try body(image))
    } catch {
      return .failure(error)
    }
  }

  /// The size of the file in bytes.
  public func size() throws(HDF5Error) -> Int {
    let id = handle.id
    var size: hsize_t = 0
    // herr_t H5Fget_filesize(hid_t file_id, hsize_t *size)
    try call("measure the file", place) { H5Fget_filesize(id, &size) }
    return Int(clamping: size)
  }

  /// Closes the file; disk errors of a file that was created at a path may show here first.
  public consuming func close() throws(HDF5Error) {
    try handle.close(place)
  }
}
