// What a .npy file says before its values: type, order and extents.

import Foundation

/// The header of an array in NumPy's format, versions 1 to 3 (`numpy.lib.format`).
///
/// A magic of six bytes, the version, the length of a text, and the text: a dictionary of Python with
/// `descr`, `fortran_order` and `shape`.
struct NumPyHeader: Equatable {
  /// The type of a value.
  enum Element: Equatable {
    case bool
    case unsigned(bytes: Int)
    case signed(bytes: Int)
    case float(bytes: Int)

    /// The bytes of a value.
    var bytes: Int {
      switch self {
      case .bool: 1
      case .unsigned(let bytes), .signed(let bytes), .float(let bytes): bytes
      }
    }

    /// Whether values are whole numbers.
    var isWhole: Bool { if case .float = self { false } else { true } }
  }

  /// The type of a value.
  let element: Element
  /// Whether the highest byte of a value comes first.
  let isBigEndian: Bool
  /// Whether the first extent moves fastest, as in Fortran.
  let isFortran: Bool
  /// The extents.
  let extents: [Int]

  /// The number of values.
  var count: Int { extents.reduce(1, *) }
  /// The bytes of all values.
  var bytes: Int { count * element.bytes }

  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// Reads a header.
  ///
  /// - Parameters:
  ///   - path: The file, for messages.
  ///   - read: The next bytes of the file, fewer at its end.
  /// - Throws: `.badData` for what is no array of numbers, and what `read` throws.
  init(path: String, _ read: (Int) throws(StorageError) -> [UInt8]) throws(StorageError) {
    let start = try read(8)
    guard start.count == 8, start.starts(with: Self.magic) else {
      throw .badData(path: path, reason: "is not a .npy array of NumPy")
    }
    guard (1...3).contains(start[6]) else {
      throw .badData(
        path: path, reason: "is of version \(start[6]) of NumPy's format, of which 1 to 3 are read")
    }
    let field = try read(start[6] == 1 ? 2 : 4)
    let length = field.reversed().reduce(0) { $0 << 8 | Int($1) }
    guard length <= 1 << 16 else {
      throw .badData(path: path, reason: "has a header of \(length) bytes: it is damaged")
    }
    let bytes = try read(length)
    guard bytes.count == length, let text = String(validating: bytes, as: UTF8.self) else {
      throw .badData(path: path, reason: "ends inside its header, or has another text there")
    }
    guard let descr = Self.value(of: "descr", in: text),
      let order = Self.value(of: "fortran_order", in: text),
      let shape = Self.value(of: "shape", in: text), ["True", "False"].contains(order),
      let extents = Self.extents(shape)
    else {
      throw .badData(path: path, reason: "has a damaged header; save the array again")
    }
    guard let (element, isBigEndian) = Self.element(descr) else {
      throw .badData(
        path: path,
        reason: "holds values of the type \(descr); read are whole numbers (u1 … u8, i1 … i8), "
          + "truth values (b1) and floats (f2, f4, f8)")
    }
    var total = element.bytes
    for extent in extents {
      let (product, overflow) = total.multipliedReportingOverflow(by: extent)
      guard !overflow, product <= 1 << 48 else {
        throw .badData(path: path, reason: "says that its shape is \(extents): it is damaged")
      }
      total = product
    }
    (self.element, self.isBigEndian, self.extents) = (element, isBigEndian, extents)
    isFortran = order == "True"
  }

  /// The text of a value in a dictionary of Python: up to the comma behind it, that of a tuple whole.
  private static func value(of key: String, in text: String) -> String? {
    guard let start = text.range(of: "'\(key)'")?.upperBound else { return nil }
    var rest = text[start...].drop { $0 == " " }
    guard rest.first == ":" else { return nil }
    rest = rest.dropFirst().drop { $0 == " " }
    let end =
      switch rest.first {
      case "(": rest.firstIndex(of: ")").map { rest.index(after: $0) }
      case "'": rest.dropFirst().firstIndex(of: "'").map { rest.index(after: $0) }
      default: rest.firstIndex { $0 == "," || $0 == "}" }
      }
    return end.map { String(rest[..<$0]).trimmingSpaces() }
  }

  private static func extents(_ text: String) -> [Int]? {
    guard text.hasPrefix("("), text.hasSuffix(")") else { return nil }
    var parts = text.dropFirst().dropLast().split(
      separator: ",", omittingEmptySubsequences: false
    ).map { String($0).trimmingSpaces() }
    if parts.last == "" { parts.removeLast() }
    let numbers = parts.compactMap { Int($0) }
    return numbers.count == parts.count && numbers.count <= 32 && numbers.allSatisfy { $0 >= 0 }
      ? numbers : nil
  }

  private static func element(_ descr: String) -> (Element, isBigEndian: Bool)? {
    let letters = Array(descr)
    guard letters.count == 5, letters.first == "'", letters.last == "'",
      let bytes = letters[3].wholeNumberValue
    else { return nil }
    let isBigEndian: Bool
    switch letters[1] {
    case "<", "=": isBigEndian = false
    case ">": isBigEndian = true
    case "|" where bytes == 1: isBigEndian = false
    default: return nil
    }
    switch (letters[2], bytes) {
    case ("b", 1): return (.bool, isBigEndian)
    case ("u", 1), ("u", 2), ("u", 4), ("u", 8): return (.unsigned(bytes: bytes), isBigEndian)
    case ("i", 1), ("i", 2), ("i", 4), ("i", 8): return (.signed(bytes: bytes), isBigEndian)
    case ("f", 2), ("f", 4), ("f", 8): return (.float(bytes: bytes), isBigEndian)
    default: return nil
    }
  }

  // MARK: Values

  /// Values as floats, exact for whole numbers up to 2²⁴.
  ///
  /// - Parameter bytes: Whole values, in the order of the file's bytes.
  func floats(of bytes: [UInt8]) -> [Float] {
    func each<Raw: FixedWidthInteger>(_ type: Raw.Type, _ value: (Raw) -> Float) -> [Float] {
      bytes.withUnsafeBytes { bytes in
        (0..<bytes.count / MemoryLayout<Raw>.size).map { place in
          let raw = bytes.loadUnaligned(fromByteOffset: place * MemoryLayout<Raw>.size, as: type)
          return value(isBigEndian ? Raw(bigEndian: raw) : Raw(littleEndian: raw))
        }
      }
    }
    switch element {
    case .bool: return bytes.map { $0 == 0 ? 0 : 1 }
    case .unsigned(1): return bytes.map { Float($0) }
    case .unsigned(2): return each(UInt16.self) { Float($0) }
    case .unsigned(4): return each(UInt32.self) { Float($0) }
    case .unsigned: return each(UInt64.self) { Float($0) }
    case .signed(1): return bytes.map { Float(Int8(bitPattern: $0)) }
    case .signed(2): return each(UInt16.self) { Float(Int16(bitPattern: $0)) }
    case .signed(4): return each(UInt32.self) { Float(Int32(bitPattern: $0)) }
    case .signed: return each(UInt64.self) { Float(Int64(bitPattern: $0)) }
    case .float(2): return each(UInt16.self) { Float(Float16(bitPattern: $0)) }
    case .float(4): return each(UInt32.self) { Float(bitPattern: $0) }
    case .float: return each(UInt64.self) { Float(Double(bitPattern: $0)) }
    }
  }
}

extension String {
  fileprivate func trimmingSpaces() -> String {
    String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
  }
}
