// One identifier of the HDF5 library, released exactly once.

import CHDF5

/// Owns an identifier and knows the function that releases it.
///
/// Writers call `close`, whose status is checked: a full disk may show there and nowhere else. The
/// deinitialiser serves readers and the way out after an error, where there is nothing left to say.
struct Handle: ~Copyable {
  /// The library's identifier.
  let id: hid_t
  private let release: @convention(c) (hid_t) -> herr_t

  /// Takes over an identifier that the gate has checked.
  init(_ id: hid_t, release: @escaping @convention(c) (hid_t) -> herr_t) {
    self.id = id
    self.release = release
  }

  /// Releases the identifier and checks the status.
  consuming func close(_ place: Place) throws(HDF5Error) {
    let id = self.id
    let release = self.release
    discard self
    try call("close", place) { release(id) }
  }

  deinit {
    _ = alone { release(id) }
  }
}

/// A new property list of a class, with the library's defaults.
///
/// - Parameter propertyClass: A function, because to look the class up initialises the library,
///   which only the gate may do.
func propertyList(_ propertyClass: () -> hid_t, _ place: Place) throws(HDF5Error) -> Handle {
  // hid_t H5Pcreate(hid_t cls_id)
  Handle(try call("create properties", place) { H5Pcreate(propertyClass()) }, release: H5Pclose)
}

/// A dataspace of the given extents; no extents make a scalar.
///
/// - Parameter growing: Whether the first extent may grow later.
func dataspace(
  _ shape: [Int], growing: Bool = false, _ place: Place
) throws(HDF5Error) -> Handle {
  let extents = shape.map { hsize_t($0) }
  var limits = extents
  if growing { limits[0] = CHDF5_S_UNLIMITED() }
  // hid_t H5Screate(H5S_class_t type)
  // hid_t H5Screate_simple(int rank, const hsize_t dims[], const hsize_t maxdims[])
  let id = try call("create a dataspace", place) {
    shape.isEmpty ? H5Screate(H5S_SCALAR) : H5Screate_simple(Int32(shape.count), extents, limits)
  }
  return Handle(id, release: H5Sclose)
}

/// The extents of a dataspace, at most 32; a null dataspace is refused.
func extents(of space: borrowing Handle, _ place: Place) throws(HDF5Error) -> [Int] {
  let id = space.id
  // H5S_class_t H5Sget_simple_extent_type(hid_t space_id)
  let kind = try call("read the dataspace", place) { H5Sget_simple_extent_type(id).rawValue }
  guard kind == H5S_SCALAR.rawValue || kind == H5S_SIMPLE.rawValue else {
    throw .refused(place: place, reason: "has no extents (a null dataspace)")
  }
  var extents = [hsize_t](repeating: 0, count: Int(H5S_MAX_RANK))
  // int H5Sget_simple_extent_dims(hid_t space_id, hsize_t dims[], hsize_t maxdims[])
  let rank = try call("read the dataspace", place) { H5Sget_simple_extent_dims(id, &extents, nil) }
  var shape: [Int] = []
  for extent in extents.prefix(Int(rank)) {
    guard let extent = Int(exactly: extent) else {
      throw .refused(place: place, reason: "declares an extent of \(extent)")
    }
    shape.append(extent)
  }
  return shape
}

/// The number of elements of a shape, or nil where it overflows.
func elementCount(_ shape: [Int]) -> Int? {
  var count = 1
  for extent in shape {
    let (product, overflow) = count.multipliedReportingOverflow(by: extent)
    if overflow { return nil }
    count = product
  }
  return count
}
