// Attributes of a type that the caller expects; another type is refused with a sentence.

extension HDF5Object where Self: ~Copyable {
  /// A string attribute, or nil where there is none of that name.
  ///
  /// - Parameter isOwn: As that of `attribute`.
  public func string(_ name: String, isOwn: Bool = false) throws(HDF5Error) -> String? {
    switch try attribute(name, isOwn: isOwn) {
    case nil: return nil
    case .string(let value): return value
    case .strings(let values) where values.count == 1: return values[0]
    default: throw unexpected(name, "a string")
    }
  }

  /// A vector of strings, or nil where there is none of that name.
  public func strings(_ name: String) throws(HDF5Error) -> [String]? {
    switch try attribute(name) {
    case nil: return nil
    case .strings(let values): return values
    default: throw unexpected(name, "a vector of strings")
    }
  }

  /// An integer attribute, or nil where there is none of that name.
  public func integer(_ name: String) throws(HDF5Error) -> Int? {
    switch try attribute(name) {
    case nil: return nil
    case .integer(let value): return value
    case .integers(let values) where values.count == 1: return values[0]
    default: throw unexpected(name, "an integer")
    }
  }

  /// An unsigned 64-bit attribute, or nil where there is none of that name.
  public func unsigned(_ name: String) throws(HDF5Error) -> UInt64? {
    switch try attribute(name) {
    case nil: return nil
    case .unsigned(let value): return value
    case .integer(let value) where value >= 0: return UInt64(value)
    default: throw unexpected(name, "an integer that is not negative")
    }
  }

  /// A vector of integers, or nil where there is none of that name.
  public func integers(_ name: String) throws(HDF5Error) -> [Int]? {
    switch try attribute(name) {
    case nil: return nil
    case .integers(let values): return values
    default: throw unexpected(name, "a vector of integers")
    }
  }

  /// A floating-point attribute, or nil where there is none of that name; integers count too.
  public func double(_ name: String) throws(HDF5Error) -> Double? {
    switch try attribute(name) {
    case nil: return nil
    case .double(let value): return value
    case .doubles(let values) where values.count == 1: return values[0]
    case .integer(let value): return Double(value)
    default: throw unexpected(name, "a number")
    }
  }

  /// A vector of floating-point numbers, or nil where there is none of that name; integers count.
  public func doubles(_ name: String) throws(HDF5Error) -> [Double]? {
    switch try attribute(name) {
    case nil: return nil
    case .doubles(let values): return values
    case .integers(let values): return values.map { Double($0) }
    default: throw unexpected(name, "a vector of numbers")
    }
  }

  private func unexpected(_ name: String, _ expected: String) -> HDF5Error {
    .refused(place: place, reason: "the attribute \(name) must be \(expected)")
  }
}
