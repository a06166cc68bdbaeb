// Reading datasets, whole or by rows.

import CHDF5

extension Dataset {
  /// Reads all elements into memory of the caller.
  ///
  /// Integers of other widths are converted, and floats too; never one into the other.
  public func read<Element: HDF5Element>(
    into buffer: UnsafeMutableBufferPointer<Element>
  ) throws(HDF5Error) {
    precondition(buffer.count == count, "The buffer must hold exactly the dataset's elements.")
    try requireConversion(to: Element.self)
    guard count > 0 else { return }
    let id = self.id
    // herr_t H5Dread(hid_t dset_id, hid_t mem_type_id, hid_t mem_space_id, hid_t file_space_id,
    //   hid_t dxpl_id, void *buf)
    try call("read the elements", place) {
      H5Dread(id, Element.numericType.memoryID, CHDF5_S_ALL(), CHDF5_S_ALL(), 0, buffer.baseAddress)
    }
  }

  /// All elements, in row-major order.
  public func values<Element: HDF5Element>(
    as type: Element.Type = Element.self
  ) throws(HDF5Error) -> [Element] {
    try requireConversion(to: Element.self)
    var failure: HDF5Error?
    let count = self.count
    let values = [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
      do throws(HDF5Error) {
        try read(into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
        initialized = count
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return values
  }

  /// Reads some rows (indices of the first extent) into memory of the caller.
  public func read<Element: HDF5Element>(
    rows: Range<Int>, into buffer: UnsafeMutableBufferPointer<Element>
  ) throws(HDF5Error) {
    precondition(!shape.isEmpty, "A scalar has no rows.")
    precondition(rows.lowerBound >= 0 && rows.upperBound <= shape[0], "The rows must exist.")
    // Without rows, the other extents may be of any size.
    let rowCount = shape[0] == 0 ? 0 : elementCount(Array(shape.dropFirst()))!
    precondition(buffer.count == rows.count * rowCount, "The buffer must hold exactly the rows.")
    try requireConversion(to: Element.self)
    guard !buffer.isEmpty else { return }
    let file = try selectRows(rows)
    // Of the rank and extents of the selection: others are copied element by element.
    let memory = try dataspace([rows.count] + shape.dropFirst(), place)
    let (id, fileID, memoryID) = (self.id, file.id, memory.id)
    try call("read rows \(rows.lowerBound)..<\(rows.upperBound)", place) {
      H5Dread(id, Element.numericType.memoryID, memoryID, fileID, 0, buffer.baseAddress)
    }
  }

  /// All strings, in row-major order, of fixed or variable length.
  public func strings() throws(HDF5Error) -> [String] {
    let id = self.id
    let type = Handle(try call("read the type", place) { H5Dget_type(id) }, release: H5Tclose)
    return try readStrings(type: type, shape: shape, place) { memoryType, buffer in
      H5Dread(id, memoryType, CHDF5_S_ALL(), CHDF5_S_ALL(), 0, buffer)
    }
  }

  /// Reads the strings of some rows (indices of the first extent), of fixed or variable length.
  ///
  /// - Parameter body: Is handed the bytes of each, in row-major order, without what pads them; they
  ///   need not be UTF-8, and are gone afterwards.
  public func forEachString(
    rows: Range<Int>, _ body: (UnsafeBufferPointer<UInt8>) throws(HDF5Error) -> Void
  ) throws(HDF5Error) {
    precondition(!shape.isEmpty, "A scalar has no rows.")
    precondition(rows.lowerBound >= 0 && rows.upperBound <= shape[0], "The rows must exist.")
    let extents = [rows.count] + shape.dropFirst()
    let id = self.id
    let type = Handle(try call("read the type", place) { H5Dget_type(id) }, release: H5Tclose)
    let file = try selectRows(rows)
    let memory = try dataspace(extents, place)
    let (fileID, memoryID) = (file.id, memory.id)
    try HDF5.forEachString(
      type: type, shape: extents, place,
      read: { memoryType, buffer in H5Dread(id, memoryType, memoryID, fileID, 0, buffer) }, body)
  }

  /// The string of a scalar dataset, or of one with a single element.
  public func string() throws(HDF5Error) -> String {
    guard count == 1 else { throw .refused(place: place, reason: "is not a single string") }
    return try strings()[0]
  }

  /// The dataset's dataspace with some rows selected.
  func selectRows(_ rows: Range<Int>) throws(HDF5Error) -> Handle {
    let id = self.id
    let space = Handle(
      try call("read the dataspace", place) { H5Dget_space(id) }, release: H5Sclose)
    let spaceID = space.id
    var start = [hsize_t](repeating: 0, count: shape.count)
    var extent = shape.map { hsize_t($0) }
    start[0] = hsize_t(rows.lowerBound)
    extent[0] = hsize_t(rows.count)
    // herr_t H5Sselect_hyperslab(hid_t space_id, H5S_seloper_t op, const hsize_t start[],
    //   const hsize_t stride[], const hsize_t count[], const hsize_t block[])
    try call("select rows", place) {
      H5Sselect_hyperslab(spaceID, H5S_SELECT_SET, start, nil, extent, nil)
    }
    return space
  }

  private func requireConversion<Element: HDF5Element>(
    to type: Element.Type
  ) throws(HDF5Error) {
    guard elementType.converts(to: type) else {
      throw .refused(place: place, reason: "holds \(elementType), not \(type)")
    }
  }
}
