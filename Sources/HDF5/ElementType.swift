// The element types that datasets and attributes may have, in files and in Swift.

import CHDF5

/// A Swift type that can be written to a dataset and read from one.
public protocol HDF5Element: BitwiseCopyable, Sendable {
  /// Which of the library's numeric types it is.
  static var numericType: NumericType { get }
}

/// The numeric types that this module reads and writes; in files they are little-endian.
public enum NumericType: Sendable {
  case uint8, uint16, int32, int64, uint64, float32, float64

  /// The library's identifier of the type in memory.
  var memoryID: hid_t {
    switch self {
    case .uint8: CHDF5_T_NATIVE_UINT8()
    case .uint16: CHDF5_T_NATIVE_UINT16()
    case .int32: CHDF5_T_NATIVE_INT32()
    case .int64: CHDF5_T_NATIVE_INT64()
    case .uint64: CHDF5_T_NATIVE_UINT64()
    case .float32: CHDF5_T_NATIVE_FLOAT()
    case .float64: CHDF5_T_NATIVE_DOUBLE()
    }
  }

  /// The library's identifier of the type that is written.
  var fileID: hid_t {
    switch self {
    case .uint8: CHDF5_T_STD_U8LE()
    case .uint16: CHDF5_T_STD_U16LE()
    case .int32: CHDF5_T_STD_I32LE()
    case .int64: CHDF5_T_STD_I64LE()
    case .uint64: CHDF5_T_STD_U64LE()
    case .float32: CHDF5_T_IEEE_F32LE()
    case .float64: CHDF5_T_IEEE_F64LE()
    }
  }

  /// Whether it is a floating-point type.
  var isFloatingPoint: Bool { self == .float32 || self == .float64 }
}

extension UInt8: HDF5Element {
  /// NumPy's uint8.
  public static var numericType: NumericType { .uint8 }
}

extension UInt16: HDF5Element {
  /// NumPy's uint16.
  public static var numericType: NumericType { .uint16 }
}

extension Int32: HDF5Element {
  /// NumPy's int32.
  public static var numericType: NumericType { .int32 }
}

extension Int64: HDF5Element {
  /// NumPy's int64.
  public static var numericType: NumericType { .int64 }
}

extension UInt64: HDF5Element {
  /// NumPy's uint64.
  public static var numericType: NumericType { .uint64 }
}

extension Float: HDF5Element {
  /// NumPy's float32.
  public static var numericType: NumericType { .float32 }
}

extension Double: HDF5Element {
  /// NumPy's float64.
  public static var numericType: NumericType { .float64 }
}

/// The type of the elements of a stored dataset or attribute.
public enum ElementType: Equatable, Sendable, CustomStringConvertible {
  /// A two's-complement integer of a number of bytes.
  case integer(bytes: Int, signed: Bool)
  /// A truth value, 0 or 1: an enumeration of these two in a byte, as h5py writes them.
  case truth
  /// An IEEE 754 number of 2, 4 or 8 bytes.
  case float(bytes: Int)
  /// A string of at most a number of bytes, or of variable length where `bytes` is nil.
  case string(bytes: Int?)
  /// Anything else: other enumerations, compounds, references.
  case other

  /// The name that NumPy gives the type.
  public var description: String {
    switch self {
    case .integer(let bytes, let signed): "\(signed ? "" : "u")int\(bytes * 8)"
    case .truth: "bool"
    case .float(let bytes): "float\(bytes * 8)"
    case .string: "string"
    case .other: "a type that is neither a whole integer, a float of 16, 32 or 64 bits nor a string"
    }
  }

  /// Classifies a type of the library.
  init(_ id: hid_t, _ place: Place) throws(HDF5Error) {
    // H5T_class_t H5Tget_class(hid_t type_id)
    let kind = try call("read the type", place) { H5Tget_class(id).rawValue }
    // size_t H5Tget_size(hid_t type_id): 0 is a failure.
    let bytes = alone { H5Tget_size(id) }
    switch kind {
    case H5T_INTEGER.rawValue:
      // H5T_sign_t H5Tget_sign(hid_t type_id)
      let sign = try call("read the type", place) { H5Tget_sign(id).rawValue }
      // size_t H5Tget_precision(hid_t type_id)
      let whole = alone { H5Tget_precision(id) } == bytes * 8 && [1, 2, 4, 8].contains(bytes)
      self = whole ? .integer(bytes: bytes, signed: sign == H5T_SGN_2.rawValue) : .other
    case H5T_FLOAT.rawValue:
      let known = [
        CHDF5_T_IEEE_F32LE(), CHDF5_T_IEEE_F32BE(), CHDF5_T_IEEE_F64LE(), CHDF5_T_IEEE_F64BE(),
      ]
      var isKnown = false
      for candidate in known where !isKnown {
        // htri_t H5Tequal(hid_t type1_id, hid_t type2_id)
        isKnown = try call("compare types", place) { H5Tequal(id, candidate) } > 0
      }
      if bytes == 2 { isKnown = try Self.isHalf(id, place) }
      self = isKnown ? .float(bytes: bytes) : .other
    case H5T_ENUM.rawValue:
      let isTruth = bytes == 1 ? try Self.isTruth(id, place) : false
      self = isTruth ? .truth : .other
    case H5T_STRING.rawValue:
      // htri_t H5Tis_variable_str(hid_t type_id)
      let variable = try call("read the type", place) { H5Tis_variable_str(id) } > 0
      self = .string(bytes: variable ? nil : bytes)
    default:
      self = .other
    }
  }

  /// Whether a float of two bytes is IEEE 754's, for which this library has no name.
  private static func isHalf(_ id: hid_t, _ place: Place) throws(HDF5Error) -> Bool {
    var (sign, exponent, exponentSize, mantissa, mantissaSize) = (0, 0, 0, 0, 0)
    // herr_t H5Tget_fields(hid_t type_id, size_t *spos, size_t *epos, size_t *esize, size_t *mpos,
    //   size_t *msize)
    try call("read the type", place) {
      H5Tget_fields(id, &sign, &exponent, &exponentSize, &mantissa, &mantissaSize)
    }
    // size_t H5Tget_ebias(hid_t type_id)
    let bias = alone { H5Tget_ebias(id) }
    // H5T_norm_t H5Tget_norm(hid_t type_id)
    let norm = try call("read the type", place) { H5Tget_norm(id).rawValue }
    return [sign, exponent, exponentSize, mantissa, mantissaSize, bias] == [15, 10, 5, 0, 10, 15]
      && norm == H5T_NORM_IMPLIED.rawValue
  }

  /// Whether an enumeration in a byte has the members 0 and 1, whatever they are called.
  private static func isTruth(_ id: hid_t, _ place: Place) throws(HDF5Error) -> Bool {
    // int H5Tget_nmembers(hid_t type_id)
    guard try call("read the type", place, { H5Tget_nmembers(id) }) == 2 else { return false }
    var values: [UInt8] = []
    for member in 0..<2 {
      var value: UInt8 = 0
      // herr_t H5Tget_member_value(hid_t type_id, unsigned membno, void *value)
      try call("read the type", place) { H5Tget_member_value(id, UInt32(member), &value) }
      values.append(value)
    }
    return values.sorted() == [0, 1]
  }

  /// Whether the library may convert the stored elements to a Swift type: never across kinds.
  public func converts<Element: HDF5Element>(to type: Element.Type) -> Bool {
    switch self {
    case .integer, .truth: !type.numericType.isFloatingPoint
    case .float: type.numericType.isFloatingPoint
    case .string, .other: false
    }
  }
}
