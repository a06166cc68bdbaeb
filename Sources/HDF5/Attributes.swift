// Attributes: small named values on a file's root, a group or a dataset.

import CHDF5

/// An open object that can carry attributes: a group or a dataset.
public protocol HDF5Object: ~Copyable {
  /// The library's identifier.
  var id: Int64 { get }
  /// The file and the object's path.
  var place: Place { get }
}

/// The most bytes of strings in an attribute: an object header holds 64 KiB, its own fields included.
public let largestAttribute = 64_000

/// The value of an attribute.
public enum AttributeValue: Equatable, Sendable {
  /// One integer.
  case integer(Int)
  /// One integer above the range of `Int`.
  case unsigned(UInt64)
  /// One floating-point number.
  case double(Double)
  /// One UTF-8 string.
  case string(String)
  /// A vector of integers.
  case integers([Int])
  /// A vector of floating-point numbers.
  case doubles([Double])
  /// A vector of UTF-8 strings.
  case strings([String])
}

extension AttributeValue: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral {
  /// An integer.
  public init(integerLiteral value: Int) { self = .integer(value) }
  /// A string.
  public init(stringLiteral value: String) { self = .string(value) }
}

extension HDF5Object where Self: ~Copyable {
  /// The names of all attributes, in alphabetical order.
  public func attributeNames() throws(HDF5Error) -> [String] {
    var names: [String] = []
    let collect: H5A_operator2_t = { _, name, _, data in
      guard let name, let data else { return -1 }
      data.assumingMemoryBound(to: [String].self).pointee.append(String(cString: name))
      return 0
    }
    let id = self.id
    try withUnsafeMutablePointer(to: &names) { (pointer) throws(HDF5Error) -> Void in
      // herr_t H5Aiterate2(hid_t loc_id, H5_index_t idx_type, H5_iter_order_t order, hsize_t *idx,
      //   H5A_operator2_t op, void *op_data)
      try call("list the attributes", place) {
        H5Aiterate2(id, H5_INDEX_NAME, H5_ITER_INC, nil, collect, pointer)
      }
    }
    return names
  }

  /// The value of an attribute, or nil where there is none of that name.
  ///
  /// - Parameter isOwn: Whether only what we may have written is wanted: then nil also for strings of
  ///   variable length, which are not read.
  /// - Throws: `.refused` for types other than integers, floats and strings and for ranks above 1.
  public func attribute(
    _ name: String, isOwn: Bool = false
  ) throws(HDF5Error) -> AttributeValue? {
    let place = attributePlace(name)
    let id = self.id
    // htri_t H5Aexists(hid_t obj_id, const char *attr_name)
    guard try call("look for the attribute", place, { H5Aexists(id, name) }) > 0 else { return nil }
    // hid_t H5Aopen(hid_t obj_id, const char *attr_name, hid_t aapl_id)
    let attribute = Handle(
      try call("open the attribute", place) { H5Aopen(id, name, 0) }, release: H5Aclose)
    let attributeID = attribute.id
    // hid_t H5Aget_space(hid_t attr_id)
    let space = Handle(
      try call("read the dataspace", place) { H5Aget_space(attributeID) }, release: H5Sclose)
    // hid_t H5Aget_type(hid_t attr_id)
    let type = Handle(
      try call("read the type", place) { H5Aget_type(attributeID) }, release: H5Tclose)
    let shape = try extents(of: space, place)
    // An attribute lives in an object header: real ones have at most 64 KiB.
    let storage = alone { H5Aget_storage_size(attributeID) }
    guard shape.count <= 1, let count = elementCount(shape), count <= 1 << 20,
      storage <= 1 << 24
    else {
      throw .refused(place: place, reason: "has the shape \(shape); one value or a vector is read")
    }
    // herr_t H5Aread(hid_t attr_id, hid_t type_id, void *buf)
    func read<Element: HDF5Element>(_ zero: Element) throws(HDF5Error) -> [Element] {
      var values = [Element](repeating: zero, count: count)
      try call("read the attribute", place) {
        H5Aread(attributeID, Element.numericType.memoryID, &values)
      }
      return values
    }
    let isScalar = shape.isEmpty
    let kind = try ElementType(type.id, place)
    switch kind {
    case .integer(let bytes, let signed):
      if isScalar, bytes == 8, !signed {
        let value = try read(UInt64(0))[0]
        return Int(exactly: value).map { .integer($0) } ?? .unsigned(value)
      }
      let values = try read(Int64(0)).map { Int($0) }
      return isScalar ? .integer(values[0]) : .integers(values)
    case .float:
      let values = try read(Double(0))
      return isScalar ? .double(values[0]) : .doubles(values)
    case .string(let bytes):
      if isOwn, bytes == nil { return nil }
      let values = try readStrings(type: type, shape: shape, place) {
        H5Aread(attributeID, $0, $1)
      }
      return isScalar ? .string(values[0]) : .strings(values)
    case .truth, .other:
      throw .refused(place: place, reason: "is of \(kind)")
    }
  }

  /// Writes an attribute that does not exist yet.
  ///
  /// Strings are written with a fixed length, padded with zeros: those of variable length are kept
  /// in a heap of the file, where damage makes the library crash (`docs/decisions/0020`).
  ///
  /// - Throws: `.refused` for strings that together are longer than an attribute can be.
  public func setAttribute(_ name: String, _ value: AttributeValue) throws(HDF5Error) {
    switch value {
    case .integer(let value): try createAttribute(name, [], [Int64(value)])
    case .unsigned(let value): try createAttribute(name, [], [value])
    case .double(let value): try createAttribute(name, [], [value])
    case .integers(let values): try createAttribute(name, [values.count], values.map(Int64.init))
    case .doubles(let values): try createAttribute(name, [values.count], values)
    case .string(let value): try createStringAttribute(name, [], [value])
    case .strings(let values): try createStringAttribute(name, [values.count], values)
    }
  }

  private func attributePlace(_ name: String) -> Place {
    Place(file: place.file, object: (place.object == "/" ? "/" : place.object) + "@" + name)
  }

  private func createStringAttribute(
    _ name: String, _ shape: [Int], _ values: [String]
  ) throws(HDF5Error) {
    let place = attributePlace(name)
    try withFixedStrings(values) { (bytesEach, bytes) throws(HDF5Error) in
      guard bytes.count <= largestAttribute else {
        throw .refused(
          place: place,
          reason: "would take \(bytes.count) bytes; an attribute can have \(largestAttribute)")
      }
      let type = try stringType(bytes: bytesEach, place)
      try createAttribute(name, type: type.id, memory: type.id, shape, bytes)
    }
  }

  private func createAttribute<Element: HDF5Element>(
    _ name: String, _ shape: [Int], _ values: [Element]
  ) throws(HDF5Error) {
    let type = Element.numericType
    try values.withUnsafeBufferPointer { (values) throws(HDF5Error) in
      try createAttribute(
        name, type: type.fileID, memory: type.memoryID, shape, UnsafeRawBufferPointer(values))
    }
  }

  private func createAttribute(
    _ name: String, type: hid_t, memory: hid_t, _ shape: [Int], _ values: UnsafeRawBufferPointer
  ) throws(HDF5Error) {
    let place = attributePlace(name)
    let space = try dataspace(shape, place)
    let (id, spaceID) = (self.id, space.id)
    // hid_t H5Acreate2(hid_t loc_id, const char *attr_name, hid_t type_id, hid_t space_id,
    //   hid_t acpl_id, hid_t aapl_id)
    let attribute = Handle(
      try call("create the attribute", place) { H5Acreate2(id, name, type, spaceID, 0, 0) },
      release: H5Aclose)
    let attributeID = attribute.id
    // herr_t H5Awrite(hid_t attr_id, hid_t type_id, const void *buf)
    if !values.isEmpty {
      try call("write the attribute", place) { H5Awrite(attributeID, memory, values.baseAddress) }
    }
    try attribute.close(place)
    try space.close(place)
  }
}
