// Creating datasets and writing them, whole or by rows.

import CHDF5

/// How a new dataset is stored.
public enum DatasetLayout: Equatable, Sendable {
  /// One block, written once.
  case contiguous
  /// One block that has its place in the file at once (`Dataset.offset`), and into which nothing is
  /// written: its bytes come by other means than the library. Until then they are undefined; on most
  /// disks they are zeros that take no room.
  case reserved
  /// Blocks of a shape, compressed by gzip (deflate) at a level of 1 to 9 unless nil, with the
  /// bytes of elements sorted by significance before if `shuffle`; rows can be appended if
  /// `growing`.
  case chunked(_ shape: [Int], gzip: Int? = nil, shuffle: Bool = false, growing: Bool = false)
  /// No elements of its own: those of another dataset of the file, in the same order, under other extents
  /// (virtual storage). `Dataset.swift` refuses to read such datasets.
  case view(of: String, shape: [Int])
}

extension Group {
  /// Creates a dataset, with the groups on the way to it.
  public func createDataset<Element: HDF5Element>(
    _ path: String, of type: Element.Type, shape: [Int], layout: DatasetLayout = .contiguous
  ) throws(HDF5Error) -> Dataset {
    try createDataset(path, typeID: Element.numericType.fileID, shape: shape, layout: layout)
  }

  /// Writes a whole dataset and closes it; without a shape it is a vector.
  public func write<Element: HDF5Element>(
    _ path: String, _ values: UnsafeBufferPointer<Element>, shape: [Int]? = nil,
    layout: DatasetLayout = .contiguous
  ) throws(HDF5Error) {
    let dataset = try createDataset(
      path, of: Element.self, shape: shape ?? [values.count], layout: layout)
    try dataset.write(values)
    try dataset.close()
  }

  /// Writes a whole dataset and closes it; without a shape it is a vector.
  public func write<Element: HDF5Element>(
    _ path: String, _ values: [Element], shape: [Int]? = nil, layout: DatasetLayout = .contiguous
  ) throws(HDF5Error) {
    try values.withUnsafeBufferPointer { (buffer) throws(HDF5Error) in
      try write(path, buffer, shape: shape, layout: layout)
    }
  }

  /// Writes a scalar dataset of one UTF-8 string, which may be longer than an attribute can be.
  public func write(_ path: String, _ string: String) throws(HDF5Error) {
    try write(path, [string], shape: [])
  }

  /// Writes a vector of UTF-8 strings, each padded with zeros to the longest.
  public func write(_ path: String, strings: [String]) throws(HDF5Error) {
    try write(path, strings, shape: [strings.count])
  }

  /// Writes a dataset of UTF-8 strings row by row, each string padded with zeros to a size, and leaves it
  /// open for its attributes.
  ///
  /// - Parameters:
  ///   - bytesEach: The bytes of a string's place, at least those of the longest and 1.
  ///   - shape: The extents, one or more.
  ///   - strings: The strings of some rows (indices of the first extent); asked for a few at a time.
  public func writeStrings(
    _ path: String, bytesEach: Int, shape: [Int], layout: DatasetLayout = .contiguous,
    strings: (Range<Int>) -> [String]
  ) throws(HDF5Error) -> Dataset {
    let place = self.place.appending(path)
    let type = try stringType(bytes: bytesEach, place)
    let dataset = try createDataset(path, typeID: type.id, shape: shape, layout: layout)
    let rowBytes = bytesEach * elementCount(Array(shape.dropFirst()))!
    var chunkRows = 1
    if case .chunked(let chunk, _, _, _) = layout { chunkRows = chunk[0] }
    // Whole chunks, of about 1 MiB: each is compressed once.
    let portion = max(1, (1 << 20) / rowBytes / chunkRows) * chunkRows
    let (id, typeID) = (dataset.id, type.id)
    for first in stride(from: 0, to: shape[0], by: portion) {
      let rows = first..<min(first + portion, shape[0])
      let bytes = fixedBytes(strings(rows), bytesEach: bytesEach)
      precondition(bytes.count == rows.count * rowBytes, "Each row has all its strings.")
      let file = try dataset.selectRows(rows)
      let memory = try dataspace([rows.count] + shape.dropFirst(), place)
      let (fileID, memoryID) = (file.id, memory.id)
      try call("write the strings", place) { H5Dwrite(id, typeID, memoryID, fileID, 0, bytes) }
    }
    return dataset
  }

  private func write(_ path: String, _ strings: [String], shape: [Int]) throws(HDF5Error) {
    let place = self.place.appending(path)
    try withFixedStrings(strings) { (bytesEach, bytes) throws(HDF5Error) in
      let type = try stringType(bytes: bytesEach, place)
      let dataset = try createDataset(path, typeID: type.id, shape: shape, layout: .contiguous)
      if !strings.isEmpty {
        let (id, typeID) = (dataset.id, type.id)
        try call("write the strings", place) {
          H5Dwrite(id, typeID, CHDF5_S_ALL(), CHDF5_S_ALL(), 0, bytes.baseAddress)
        }
      }
      try dataset.close()
    }
  }

  private func createDataset(
    _ path: String, typeID: hid_t, shape: [Int], layout: DatasetLayout
  ) throws(HDF5Error) -> Dataset {
    let place = self.place.appending(path)
    let creation = try propertyList(CHDF5_P_DATASET_CREATE, place)
    let creationID = creation.id
    try call("turn object times off", place) { H5Pset_obj_track_times(creationID, false) }
    var chunk: [Int]?
    var grows = false
    switch layout {
    case .contiguous: break
    case .reserved:
      // herr_t H5Pset_alloc_time(hid_t plist_id, H5D_alloc_time_t alloc_time)
      try call("reserve the place", place) {
        H5Pset_alloc_time(creationID, H5D_ALLOC_TIME_EARLY)
      }
      // herr_t H5Pset_fill_time(hid_t plist_id, H5D_fill_time_t fill_time)
      try call("leave the place empty", place) {
        H5Pset_fill_time(creationID, H5D_FILL_TIME_NEVER)
      }
    case .view(let source, let extents):
      precondition(
        extents.reduce(1, *) == shape.reduce(1, *), "A view has the elements of its dataset.")
      let own = try dataspace(shape, place)
      let other = try dataspace(extents, place)
      let (ownID, otherID) = (own.id, other.id)
      // herr_t H5Pset_virtual(hid_t dcpl_id, hid_t vspace_id, const char *src_file_name,
      //   const char *src_dset_name, hid_t src_space_id): "." is the same file.
      try call("name the dataset that is viewed", place) {
        H5Pset_virtual(creationID, ownID, ".", source, otherID)
      }
    case .chunked(let extents, let gzip, let shuffle, let growing):
      precondition(extents.count == shape.count, "A chunk must have the rank of its dataset.")
      precondition(extents.allSatisfy { $0 > 0 }, "The extents of a chunk must be positive.")
      chunk = extents
      grows = growing
      // herr_t H5Pset_chunk(hid_t plist_id, int ndims, const hsize_t dim[])
      try call("set the chunk's shape", place) {
        H5Pset_chunk(creationID, Int32(extents.count), extents.map { hsize_t($0) })
      }
      if shuffle {
        // herr_t H5Pset_shuffle(hid_t plist_id)
        try call("set the shuffle filter", place) { H5Pset_shuffle(creationID) }
      }
      if let gzip {
        // herr_t H5Pset_deflate(hid_t plist_id, unsigned level)
        try call("set the gzip filter", place) { H5Pset_deflate(creationID, UInt32(gzip)) }
      }
    }
    let space = try dataspace(shape, growing: grows, place)
    let links = try linkCreation(place)
    let (id, spaceID, linksID) = (self.id, space.id, links.id)
    // hid_t H5Dcreate2(hid_t loc_id, const char *name, hid_t type_id, hid_t space_id,
    //   hid_t lcpl_id, hid_t dcpl_id, hid_t dapl_id)
    let dataset = try call("create the dataset", place) {
      H5Dcreate2(id, path, typeID, spaceID, linksID, creationID, 0)
    }
    return Dataset(
      created: dataset, shape: shape, type: try ElementType(typeID, place), chunk: chunk, place)
  }
}

extension Dataset {
  /// Writes all elements, in row-major order.
  public func write<Element: HDF5Element>(
    _ values: UnsafeBufferPointer<Element>
  ) throws(HDF5Error) {
    precondition(values.count == count, "The values must fill the dataset.")
    precondition(elementType.converts(to: Element.self), "Integers and floats do not mix.")
    guard !values.isEmpty else { return }
    let id = self.id
    // herr_t H5Dwrite(hid_t dset_id, hid_t mem_type_id, hid_t mem_space_id, hid_t file_space_id,
    //   hid_t dxpl_id, const void *buf)
    try call("write the elements", place) {
      H5Dwrite(
        id, Element.numericType.memoryID, CHDF5_S_ALL(), CHDF5_S_ALL(), 0, values.baseAddress)
    }
  }

  /// Appends rows to a dataset that was created to grow.
  public mutating func append<Element: HDF5Element>(
    rows values: UnsafeBufferPointer<Element>
  ) throws(HDF5Error) {
    let rowCount = elementCount(Array(shape.dropFirst()))!
    precondition(values.count % rowCount == 0, "The values must be whole rows.")
    precondition(elementType.converts(to: Element.self), "Integers and floats do not mix.")
    guard !values.isEmpty else { return }
    let first = shape[0]
    shape[0] += values.count / rowCount
    let extents = shape.map { hsize_t($0) }
    let id = self.id
    // herr_t H5Dset_extent(hid_t dset_id, const hsize_t size[])
    try call("append rows", place) { H5Dset_extent(id, extents) }
    let file = try selectRows(first..<shape[0])
    // Of the rank and extents of the selection: others are copied element by element.
    let memory = try dataspace([shape[0] - first] + shape.dropFirst(), place)
    let (fileID, memoryID) = (file.id, memory.id)
    try call("append rows", place) {
      H5Dwrite(id, Element.numericType.memoryID, memoryID, fileID, 0, values.baseAddress)
    }
  }
}
