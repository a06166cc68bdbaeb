// Strings between Swift and HDF5: written with a fixed length, read with a variable one too.

import CHDF5

/// A UTF-8 string type of a fixed number of bytes, padded with zeros, or of variable length.
func stringType(bytes: Int?, _ place: Place) throws(HDF5Error) -> Handle {
  // hid_t H5Tcopy(hid_t type_id)
  let type = Handle(
    try call("copy a type", place) { H5Tcopy(CHDF5_T_C_S1()) }, release: H5Tclose)
  let id = type.id
  // herr_t H5Tset_size(hid_t type_id, size_t size)
  try call("size a type", place) { H5Tset_size(id, bytes ?? CHDF5_T_VARIABLE()) }
  // herr_t H5Tset_cset(hid_t type_id, H5T_cset_t cset)
  try call("set a type's encoding", place) { H5Tset_cset(id, H5T_CSET_UTF8) }
  if bytes != nil {
    // herr_t H5Tset_strpad(hid_t type_id, H5T_str_t str)
    try call("set a type's padding", place) { H5Tset_strpad(id, H5T_STR_NULLPAD) }
  }
  return type
}

/// Reads strings of either kind, which must be UTF-8.
func readStrings(
  type: borrowing Handle, shape: [Int], _ place: Place,
  read: (_ memoryType: hid_t, UnsafeMutableRawPointer) -> herr_t
) throws(HDF5Error) -> [String] {
  var result: [String] = []
  try forEachString(type: type, shape: shape, place, read: read) { (bytes) throws(HDF5Error) in
    guard let string = String(validating: bytes, as: UTF8.self) else {
      throw .refused(place: place, reason: "holds a string that is not UTF-8")
    }
    result.append(string)
  }
  return result
}

/// Reads strings of either kind, and hands on the bytes of each without what pads them.
///
/// - Parameters:
///   - type: The type as stored.
///   - shape: The extents, checked by the caller against the storage.
///   - read: The library's read of elements of a memory type into a buffer.
func forEachString(
  type: borrowing Handle, shape: [Int], _ place: Place,
  read: (_ memoryType: hid_t, UnsafeMutableRawPointer) -> herr_t,
  _ body: (UnsafeBufferPointer<UInt8>) throws(HDF5Error) -> Void
) throws(HDF5Error) {
  let count = elementCount(shape) ?? 0
  guard count > 0 else { return }
  let id = type.id
  guard case .string(let bytes) = try ElementType(id, place) else {
    throw .refused(place: place, reason: "does not hold strings")
  }
  if let bytes {
    let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: count * bytes)
    defer { buffer.deallocate() }
    try call("read strings", place) { read(id, buffer.baseAddress!) }
    // H5T_str_t H5Tget_strpad(hid_t type_id)
    let padding = try call("read the type", place) { H5Tget_strpad(id).rawValue }
    for index in 0..<count {
      var slot = buffer[(index * bytes)..<((index + 1) * bytes)]
      if padding == H5T_STR_SPACEPAD.rawValue {
        while slot.last == UInt8(ascii: " ") { slot.removeLast() }
      } else if let end = slot.firstIndex(of: 0) {
        slot = slot[..<end]
      }
      try body(UnsafeBufferPointer(rebasing: slot))
    }
  } else {
    // The library does not convert between encodings: ask for the stored one.
    let memory = try stringType(bytes: nil, place)
    let memoryID = memory.id
    // H5T_cset_t H5Tget_cset(hid_t type_id)
    let encoding = try call("read the type", place) { H5Tget_cset(id).rawValue }
    try call("set a type's encoding", place) { H5Tset_cset(memoryID, H5T_cset_t(encoding)) }
    let space = try dataspace(shape, place)
    let spaceID = space.id
    let pointers = UnsafeMutableBufferPointer<UnsafeMutablePointer<UInt8>?>.allocate(
      capacity: count)
    defer { pointers.deallocate() }
    pointers.initialize(repeating: nil)
    try call("read strings", place) { read(memoryID, pointers.baseAddress!) }
    // herr_t H5Dvlen_reclaim(hid_t type_id, hid_t space_id, hid_t dxpl_id, void *buf)
    defer { _ = alone { H5Dvlen_reclaim(memoryID, spaceID, 0, pointers.baseAddress!) } }
    for pointer in pointers {
      var length = 0
      if let pointer { while pointer[length] != 0 { length += 1 } }
      try body(UnsafeBufferPointer(start: pointer, count: length))
    }
  }
}

/// Calls the body with the strings one after the other, each padded with zeros to the same size.
func withFixedStrings<Result>(
  _ strings: [String],
  _ body: (_ bytesEach: Int, UnsafeRawBufferPointer) throws(HDF5Error) -> Result
) throws(HDF5Error) -> Result {
  let size = max(1, strings.map(\.utf8.count).max() ?? 1)
  return try fixedBytes(strings, bytesEach: size).withUnsafeBufferPointer {
    (buffer) throws(HDF5Error) -> Result in
    try body(size, UnsafeRawBufferPointer(buffer))
  }
}

/// Strings one after the other, each padded with zeros to a size.
func fixedBytes(_ strings: some Collection<String>, bytesEach size: Int) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: size * strings.count)
  for (index, string) in strings.enumerated() {
    precondition(!string.utf8.contains(0), "A string for an HDF5 file must not contain a zero.")
    precondition(string.utf8.count <= size, "A string must fit into its place.")
    var position = index * size
    for byte in string.utf8 {
      bytes[position] = byte
      position += 1
    }
  }
  return bytes
}
