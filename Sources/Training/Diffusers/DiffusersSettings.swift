// The keys of diffusers' configurations, and what is said of one that cannot be used.

import Storage

/// A configuration of diffusers: a JSON object in which a key that is missing has the default of its
/// class.
package struct DiffusersSettings {
  /// The file.
  let path: String
  /// What stands in it.
  let values: [String: JSONValue]

  /// Reads a file.
  ///
  /// - Throws: `StorageError`.
  package init(path: String) throws(StorageError) {
    self.path = path
    values = try JSONValue.object(ofFile: path, role: "a configuration of diffusers")
  }

  /// The settings of no file, all of them the defaults of a class.
  init(defaultsOf folder: String) { (path, values) = (folder, [:]) }

  /// The value of a key, or the default.
  func value(_ key: String, _ otherwise: JSONValue) -> JSONValue { values[key] ?? otherwise }

  /// A whole number of a range.
  ///
  /// - Throws: `.badData` that names key and value.
  func integer(
    _ key: String, _ otherwise: JSONValue = .null, in range: ClosedRange<Int>
  ) throws(StorageError) -> Int {
    guard let number = value(key, otherwise).integer, range ~= number else {
      throw refusal(
        key, otherwise, "a whole number from \(range.lowerBound) to \(range.upperBound) is needed")
    }
    return number
  }

  /// A number of a range.
  ///
  /// - Throws: `.badData` that names key and value.
  func number(
    _ key: String, _ otherwise: JSONValue, in range: ClosedRange<Double>
  ) throws(StorageError) -> Double {
    guard let number = value(key, otherwise).number, range ~= number else {
      throw refusal(
        key, otherwise, "a number from \(range.lowerBound) to \(range.upperBound) is needed")
    }
    return number
  }

  /// A list of something, of one to some elements.
  ///
  /// - Throws: `.badData` that names the key.
  func list<Element>(
    _ key: String, _ what: String, upTo limit: Int, _ element: (JSONValue) -> Element?
  ) throws(StorageError) -> [Element] {
    let list = value(key, .null).list ?? []
    let elements = list.compactMap(element)
    guard !list.isEmpty, list.count <= limit, elements.count == list.count else {
      throw refusal(key, .null, "a list of 1 to \(limit) \(what) is needed")
    }
    return elements
  }

  /// Requires one of some values.
  ///
  /// - Parameter otherwise: The default of diffusers' class.
  /// - Throws: `.badData` that names key and value.
  func require(
    _ key: String, _ otherwise: JSONValue, _ accepted: [JSONValue]
  ) throws(StorageError) {
    guard !accepted.contains(value(key, otherwise)) else { return }
    throw refusal(
      key, otherwise,
      "this program knows \(accepted.map(\.shown).joined(separator: " or ")) only")
  }

  /// Why a key cannot be used.
  ///
  /// - Parameters:
  ///   - otherwise: The default of diffusers' class.
  ///   - reason: A sentence without its end.
  func refusal(_ key: String, _ otherwise: JSONValue, _ reason: String) -> StorageError {
    let found =
      values[key].map { "is \($0.shown)" }
      ?? (otherwise == .null
        ? "is missing" : "is missing, which means \(otherwise.shown) in diffusers")
    return .badData(path: path, reason: "\(key) \(found); \(reason)")
  }
}
