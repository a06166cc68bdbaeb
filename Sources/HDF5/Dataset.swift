// Datasets: the arrays of an HDF5 file, opened only after their declaration has been checked.

import CHDF5

/// An open dataset.
///
/// A small file can declare 2^40 elements, name another file as its storage, or return zeros for
/// chunks that were never written. Opening therefore refuses, before anything is allocated:
/// external and virtual storage, filters other than gzip, shuffle and Fletcher's checksum, extents
/// whose product overflows or exceeds what the stored bytes can hold, and storage never written.
public struct Dataset: ~Copyable, HDF5Object {
  private let handle: Handle
  /// The file and the dataset's path.
  public let place: Place
  /// The library's identifier.
  public var id: Int64 { handle.id }
  /// The extents, slowest first; empty for a scalar.
  public internal(set) var shape: [Int]
  /// The type of the stored elements.
  public let elementType: ElementType
  /// The extents of a chunk, or nil where the elements are contiguous.
  public let chunk: [Int]?
  /// The filters of chunks, in the order of writing: `shuffle`, `gzip`, `fletcher32`.
  public let filters: [String]

  /// The number of elements.
  public var count: Int { elementCount(shape)! }

  /// The place of contiguous elements in bytes from the beginning of the file; nil where they have
  /// none (yet).
  public var offset: Int? {
    // haddr_t H5Dget_offset(hid_t dset_id): all ones where there is no single place.
    let offset = alone { H5Dget_offset(id) }
    return offset == .max ? nil : Int(clamping: offset)
  }

  /// Takes over a dataset that was created by this process.
  init(created id: hid_t, shape: [Int], type: ElementType, chunk: [Int]?, _ place: Place) {
    handle = Handle(id, release: H5Dclose)
    self.place = place
    self.shape = shape
    elementType = type
    self.chunk = chunk
    filters = []
  }

  /// Takes over a dataset of a file that is only read, and checks its declaration.
  init(opened handle: consuming Handle, _ place: Place) throws(HDF5Error) {
    let id = handle.id
    // hid_t H5Dget_space(hid_t dset_id)
    let space = Handle(
      try call("read the dataspace", place) { H5Dget_space(id) }, release: H5Sclose)
    // hid_t H5Dget_type(hid_t dset_id)
    let type = Handle(try call("read the type", place) { H5Dget_type(id) }, release: H5Tclose)
    // hid_t H5Dget_create_plist(hid_t dset_id)
    let creation = Handle(
      try call("read the properties", place) { H5Dget_create_plist(id) }, release: H5Pclose)
    let shape = try extents(of: space, place)
    // size_t H5Tget_size(hid_t type_id)
    let elementBytes = alone { H5Tget_size(type.id) }
    guard let bytes = elementCount(shape + [elementBytes]) else {
      throw .refused(place: place, reason: "declares the impossible shape \(shape)")
    }
    let elementType = try ElementType(type.id, place)
    let (chunk, filters) = try Self.checkStorage(
      id, spaceID: space.id, creation, shape: shape, bytes: bytes, place)
    self.handle = handle
    self.place = place
    self.shape = shape
    self.elementType = elementType
    self.chunk = chunk
    self.filters = filters
  }

  /// Checks that the bytes that the shape declares are in this file.
  private static func checkStorage(
    _ id: hid_t, spaceID: hid_t, _ creation: borrowing Handle, shape: [Int], bytes: Int,
    _ place: Place
  ) throws(HDF5Error) -> (chunk: [Int]?, filters: [String]) {
    let creationID = creation.id
    // hsize_t H5Dget_storage_size(hid_t dset_id): 0 where nothing was written.
    let stored = Int(clamping: alone { H5Dget_storage_size(id) })
    // H5D_layout_t H5Pget_layout(hid_t plist_id)
    let layout = try call("read the layout", place) { H5Pget_layout(creationID).rawValue }
    switch layout {
    case H5D_COMPACT.rawValue, H5D_CONTIGUOUS.rawValue:
      // int H5Pget_external_count(hid_t plist_id)
      let external = try call("count external files", place) { H5Pget_external_count(creationID) }
      guard external == 0 else {
        throw .refused(
          place: place, reason: "keeps its elements in another file (external storage)")
      }
      guard bytes == 0 || stored > 0 else {
        throw .refused(place: place, reason: "declares the shape \(shape), but was never written")
      }
      guard stored >= bytes else {
        throw .refused(
          place: place, reason: "declares \(bytes) bytes of elements, but stores \(stored)")
      }
      try checkEnd(id, bytes: bytes, place)
      return (nil, [])
    case H5D_CHUNKED.rawValue:
      let filters = try filterNames(creation, place)
      var extents = [hsize_t](repeating: 0, count: shape.count)
      // int H5Pget_chunk(hid_t plist_id, int max_ndims, hsize_t dim[])
      try call("read the chunk's shape", place) {
        H5Pget_chunk(creationID, Int32(shape.count), &extents)
      }
      let chunk = extents.map { Int(clamping: $0) }
      guard chunk.allSatisfy({ $0 > 0 }) else {
        throw .refused(place: place, reason: "declares chunks of the impossible shape \(chunk)")
      }
      guard bytes > 0 else { return (chunk, filters) }
      guard stored > 0 else {
        throw .refused(place: place, reason: "declares the shape \(shape), but was never written")
      }
      let chunks = zip(shape, chunk).map { $0 / $1 + ($0 % $1 == 0 ? 0 : 1) }
      var written: hsize_t = 0
      // herr_t H5Dget_num_chunks(hid_t dset_id, hid_t fspace_id, hsize_t *nchunks)
      try call("count the chunks", place) { H5Dget_num_chunks(id, spaceID, &written) }
      guard let expected = elementCount(chunks), written == hsize_t(expected) else {
        throw .refused(
          place: place,
          reason: "has \(written) of the \(elementCount(chunks) ?? .max) chunks of its shape")
      }
      // Deflate shrinks at most 1032 times; a chunk at the edge is stored whole.
      let most = stored.multipliedReportingOverflow(by: filters.contains("gzip") ? 1100 : 1)
      guard most.overflow || most.partialValue >= bytes else {
        throw .refused(
          place: place, reason: "declares \(bytes) bytes of elements, but stores \(stored)")
      }
      return (chunk, filters)
    default:
      throw .refused(place: place, reason: "is assembled from other datasets (virtual storage)")
    }
  }

  /// Checks that contiguous elements end inside the file.
  private static func checkEnd(_ id: hid_t, bytes: Int, _ place: Place) throws(HDF5Error) {
    // haddr_t H5Dget_offset(hid_t dset_id): all ones where there is no single place.
    let offset = alone { H5Dget_offset(id) }
    guard offset != .max else { return }
    // hid_t H5Iget_file_id(hid_t id)
    let file = Handle(try call("find the file", place) { H5Iget_file_id(id) }, release: H5Fclose)
    let fileID = file.id
    var size: hsize_t = 0
    // herr_t H5Fget_filesize(hid_t file_id, hsize_t *size)
    try call("measure the file", place) { H5Fget_filesize(fileID, &size) }
    let end = UInt64(offset).addingReportingOverflow(UInt64(bytes))
    guard !end.overflow, end.partialValue <= size else {
      throw .refused(place: place, reason: "declares \(bytes) bytes of elements beyond the file")
    }
  }

  /// The filters of a pipeline, each of which must be known and occur once.
  private static func filterNames(
    _ creation: borrowing Handle, _ place: Place
  ) throws(HDF5Error) -> [String] {
    let creationID = creation.id
    // int H5Pget_nfilters(hid_t plist_id)
    let count = try call("read the filters", place) { H5Pget_nfilters(creationID) }
    var names: [String] = []
    for index in 0..<UInt32(count) {
      var flags: UInt32 = 0
      var valueCount = 0
      var configuration: UInt32 = 0
      // H5Z_filter_t H5Pget_filter2(hid_t plist_id, unsigned idx, unsigned *flags,
      //   size_t *cd_nelmts, unsigned cd_values[], size_t namelen, char name[],
      //   unsigned *filter_config)
      let filter = try call("read the filters", place) {
        H5Pget_filter2(creationID, index, &flags, &valueCount, nil, 0, nil, &configuration)
      }
      let known = [
        H5Z_FILTER_DEFLATE: "gzip", H5Z_FILTER_SHUFFLE: "shuffle",
        H5Z_FILTER_FLETCHER32: "fletcher32",
      ]
      guard let name = known[filter], !names.contains(name) else {
        throw .refused(
          place: place,
          reason: "uses the filter number \(filter); write it with gzip or without compression")
      }
      names.append(name)
    }
    return names
  }

  /// Closes the dataset; disk errors of a file at a path may show here first.
  public consuming func close() throws(HDF5Error) {
    try handle.close(place)
  }
}
