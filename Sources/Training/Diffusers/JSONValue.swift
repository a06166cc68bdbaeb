// JSON whose keys are somebody else's.

import Foundation
import Storage

/// A value of a JSON file.
package enum JSONValue: Codable, Equatable, Sendable {
  case null
  case flag(Bool)
  case number(Double)
  case text(String)
  case list([JSONValue])
  case object([String: JSONValue])

  /// The most bytes of a file that is read.
  package static let largestFile = 1 << 20

  package init(from decoder: Decoder) throws {
    // The most frequent first: an attempt that fails costs more than one that does not.
    let single = try decoder.singleValueContainer()
    if let number = try? single.decode(Double.self) {
      self = .number(number)
    } else if let text = try? single.decode(String.self) {
      self = .text(text)
    } else if single.decodeNil() {
      self = .null
    } else if let flag = try? single.decode(Bool.self) {
      self = .flag(flag)
    } else if var list = try? decoder.unkeyedContainer() {
      var values: [JSONValue] = []
      while !list.isAtEnd { values.append(try list.decode(Self.self)) }
      self = .list(values)
    } else {
      let object = try decoder.container(keyedBy: Key.self)
      var values: [String: JSONValue] = [:]
      for key in object.allKeys {
        values[key.stringValue] = try object.decode(Self.self, forKey: key)
      }
      self = .object(values)
    }
  }

  package func encode(to encoder: Encoder) throws {
    var single = encoder.singleValueContainer()
    switch self {
    case .null: try single.encodeNil()
    case .flag(let value): try single.encode(value)
    case .number(let value):
      // Others tell whole numbers from others.
      if let whole = integer { try single.encode(whole) } else { try single.encode(value) }
    case .text(let value): try single.encode(value)
    case .list(let values): try single.encode(values)
    case .object(let values): try single.encode(values)
    }
  }

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// The whole number that this is; nil for anything else.
  package var integer: Int? {
    guard case .number(let value) = self, abs(value) <= 0x1p53 else { return nil }
    return Int(exactly: value)
  }

  /// The number that this is; nil for anything else.
  package var number: Double? { if case .number(let value) = self { value } else { nil } }

  /// The text that this is; nil for anything else.
  package var text: String? { if case .text(let value) = self { value } else { nil } }

  /// The list that this is; nil for anything else.
  package var list: [JSONValue]? { if case .list(let values) = self { values } else { nil } }

  /// The value as a message can hold it.
  package var shown: String {
    let text = self.string(pretty: false)
    return text.count > 80 ? "\(text.prefix(80))…" : text
  }

  /// The text of the value, with sorted keys.
  package func string(pretty: Bool) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    if pretty { encoder.outputFormatting.insert(.prettyPrinted) }
    guard let bytes = try? encoder.encode(self) else {
      preconditionFailure("Finite numbers and texts can always be written.")
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The object of a file.
  ///
  /// - Parameter role: What the file should be: `a configuration`.
  /// - Throws: `.missingInput`, `.badData`, `.inputOutput`.
  package static func object(
    ofFile path: String, role: String
  ) throws(StorageError) -> [String: JSONValue] {
    let bytes = try readSmallFile(path, role: role, limit: largestFile)
    guard let value = try? JSONDecoder().decode(Self.self, from: Data(bytes)),
      case .object(let object) = value
    else {
      throw .badData(path: path, reason: "is not \(role): it is no object of JSON; fetch it again")
    }
    return object
  }
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByStringLiteral
{
  package init(nilLiteral: ()) { self = .null }
  package init(booleanLiteral value: Bool) { self = .flag(value) }
  package init(integerLiteral value: Int) { self = .number(Double(value)) }
  package init(floatLiteral value: Double) { self = .number(value) }
  package init(stringLiteral value: String) { self = .text(value) }

  /// A whole number.
  package init(_ value: Int) { self = .number(Double(value)) }
}
