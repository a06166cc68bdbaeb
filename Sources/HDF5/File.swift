// HDF5 files: opened for reading from a path or from memory, created at a path or in memory.

import CHDF5

/// An open HDF5 file.
///
/// Handles of this module belong to one thread at a time. A file that was created is ended by
/// `close`, which is checked; one that was only read may just go out of scope.
public struct File: ~Copyable {
  /// What the bytes of a file that was created in memory are in.
  enum Memory {
    case image(FileImage)
    case structure(FileStructure)
  }

  private let handle: Handle
  /// The path or label of the file.
  public let place: Place
  /// Where the file was created; nil at a path.
  let memory: Memory?

  private init(_ id: hid_t, _ place: Place, memory: Memory? = nil) {
    handle = Handle(id, release: H5Fclose)
    self.place = place
    self.memory = memory
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
    let access = try propertyList(CHDF5_P_FILE_ACCESS, place)
    try image.install(into: access, increment: 1 << 16, place)
    let accessID = access.id
    let id = try call("open the file", place) {
      H5Fopen(FileImage.uniqueName(), CHDF5_F_ACC_RDONLY(), accessID)
    }
    return File(id, place)
  }

  /// Creates a file at a path, emptying one that is there.
  public static func create(_ path: String) throws(HDF5Error) -> File {
    let place = Place(file: path)
    return try create(named: path, place, try propertyList(CHDF5_P_FILE_ACCESS, place))
  }

  /// Creates a file in memory; `finish` gives its bytes.
  ///
  /// - Parameters:
  ///   - label: What error messages call the file.
  ///   - increment: The memory grows in steps of this many bytes: the expected size saves copies.
  public static func createInMemory(
    label: String, increment: Int = 1 << 20
  ) throws(HDF5Error) -> File {
    precondition(increment > 0, "The increment of a file in memory must be positive.")
    let (place, image) = (Place(file: label), FileImage())
    let access = try propertyList(CHDF5_P_FILE_ACCESS, place)
    try image.install(into: access, increment: increment, place)
    return try create(named: FileImage.uniqueName(), place, access, memory: .image(image))
  }

  /// Creates a file.
  ///
  /// - Parameter access: Properties of file access.
  static func create(
    named name: String, _ place: Place, _ access: borrowing Handle, memory: Memory? = nil
  ) throws(HDF5Error) -> File {
    let accessID = access.id
    let creation = try propertyList(CHDF5_P_FILE_CREATE, place)
    let creationID = creation.id
    // herr_t H5Pset_obj_track_times(hid_t plist_id, hbool_t track_times)
    try call("turn object times off", place) { H5Pset_obj_track_times(creationID, false) }
    // hid_t H5Fcreate(const char *filename, unsigned flags, hid_t fcpl_id, hid_t fapl_id)
    let id = try call("create the file", place) {
      H5Fcreate(name, CHDF5_F_ACC_TRUNC(), creationID, accessID)
    }
    return File(id, place, memory: memory)
  }

  /// The file's root group.
  public func root() throws(HDF5Error) -> Group {
    let id = handle.id
    // hid_t H5Gopen2(hid_t loc_id, const char *name, hid_t gapl_id)
    return Group(try call("open the root group", place) { H5Gopen2(id, "/", 0) }, place)
  }

  /// Closes a file that was created in memory and hands out its bytes.
  ///
  /// Everything else of the file must be closed before.
  public consuming func finish() throws(HDF5Error) -> FileImage {
    guard case .image(let image) = memory else {
      preconditionFailure("Only a file in memory has an image.")
    }
    let id = handle.id
    // herr_t H5Fflush(hid_t object_id, H5F_scope_t scope)
    try call("flush", place) { H5Fflush(id, H5F_SCOPE_GLOBAL) }
    // ssize_t H5Fget_file_image(hid_t file_id, void *buf_ptr, size_t buf_len): a null buffer asks
    // for the size.
    image.count = try call("measure the file", place) { H5Fget_file_image(id, nil, 0) }
    try handle.close(place)
    precondition(image.isReleased, "Datasets and groups must be closed before their file.")
    return image
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
