// The kinds of values that settings have, and how each is read, written and described.

import Foundation
import Storage
import Yams

extension Setting {
  typealias Path<Value> = any WritableKeyPath<Root, Value> & Sendable

  /// The largest whole number of most settings: products of two of them fit into an Int, and
  /// random streams count steps in 32 bits.
  static var largest: Int { Int(Int32.max) }

  /// The largest extent of an image or a network: the sizes of its tensors fit into an Int.
  static var largestExtent: Int { 4096 }

  /// A setting whose value is one scalar, read by `parse` and written by `text`.
  static func scalar<Value>(
    _ key: String, _ role: SettingRole, _ path: Path<Value>, values: String, _ help: String,
    text: @escaping @Sendable (Value) -> String,
    parse: @escaping @Sendable (String) throws(Mismatch) -> Value
  ) -> Setting {
    Setting(
      key: key, help: help, values: values, role: role,
      node: { Node(text($0[keyPath: path])) },
      assign: { (root, node) throws(Mismatch) in
        guard case .scalar(let scalar) = node else {
          throw Mismatch(reason: "needs one value, not a list or a map")
        }
        root[keyPath: path] = try parse(scalar.string)
      })
  }

  private static func whole(
    _ text: String, from low: Int, to high: Int
  ) throws(Mismatch) -> Int {
    guard let value = Int(text.replacing("_", with: "")), value >= low else {
      throw Mismatch(reason: "needs a whole number of at least \(low), not '\(text)'")
    }
    guard value <= high else {
      throw Mismatch(reason: "needs a whole number of at most \(high), not '\(text)'")
    }
    return value
  }

  /// As "1 or more images", "4 to 4096 pixels".
  private static func described(_ low: Int, _ high: Int, _ unit: String?) -> String {
    (high >= largest ? "\(low) or more" : "\(low) to \(high)") + (unit.map { " \($0)" } ?? "")
  }

  /// A whole number.
  static func integer(
    _ key: String, _ role: SettingRole, _ path: Path<Int>, from low: Int, to high: Int = largest,
    unit: String? = nil, _ help: String
  ) -> Setting {
    scalar(
      key, role, path, values: described(low, high, unit), help, text: { String($0) }
    ) { (text) throws(Mismatch) in try whole(text, from: low, to: high) }
  }

  /// A whole number, or `auto`: nil.
  static func integer(
    _ key: String, _ role: SettingRole, _ path: Path<Int?>, from low: Int,
    to high: Int = largest, except forbidden: Int? = nil, unit: String? = nil, _ help: String
  ) -> Setting {
    scalar(
      key, role, path, values: "auto, or \(described(low, high, unit))", help,
      text: { $0.map { String($0) } ?? "auto" }
    ) { (text) throws(Mismatch) in
      if text == "auto" { return nil }
      let value = try whole(text, from: low, to: high)
      guard value != forbidden else { throw Mismatch(reason: "cannot be \(value)") }
      return value
    }
  }

  /// A number of a range.
  static func number(
    _ key: String, _ role: SettingRole, _ path: Path<Double>, _ range: ClosedRange<Double>,
    _ help: String
  ) -> Setting {
    scalar(
      key, role, path, values: "\(yamlNumber(range.lowerBound)) to \(yamlNumber(range.upperBound))",
      help, text: { yamlNumber($0) }
    ) { (text) throws(Mismatch) in
      guard let value = Double(text), range.contains(value) else {
        throw Mismatch(
          reason: "needs a number from \(range.lowerBound) to \(range.upperBound), not '\(text)'")
      }
      return value
    }
  }

  /// A number of a range, or `auto`: nil.
  static func number(
    _ key: String, _ role: SettingRole, _ path: Path<Double?>, _ range: ClosedRange<Double>,
    _ help: String
  ) -> Setting {
    scalar(
      key, role, path,
      values: "auto, or \(yamlNumber(range.lowerBound)) to \(yamlNumber(range.upperBound))", help,
      text: { $0.map(yamlNumber) ?? "auto" }
    ) { (text) throws(Mismatch) in
      if text == "auto" { return nil }
      guard let value = Double(text), range.contains(value) else {
        throw Mismatch(
          reason: "needs auto, or a number from \(range.lowerBound) to \(range.upperBound), not "
            + "'\(text)'")
      }
      return value
    }
  }

  /// A number that YAML 1.1 takes for one: with a point also before an exponent.
  static func yamlNumber(_ value: Double) -> String {
    let text = "\(value)"
    return text.contains(".") ? text : text.replacing("e", with: ".0e")
  }

  /// True or false.
  static func flag(
    _ key: String, _ role: SettingRole, _ path: Path<Bool>, _ help: String
  ) -> Setting {
    scalar(key, role, path, values: "true or false", help, text: { "\($0)" }) {
      (text) throws(Mismatch) in
      guard let value = Bool(text) else {
        throw Mismatch(reason: "needs true or false, not '\(text)'")
      }
      return value
    }
  }

  /// One of some words.
  ///
  /// - Parameter cases: The values that may be chosen; nil: all.
  static func choice<Value: RawRepresentable & CaseIterable & Sendable>(
    _ key: String, _ role: SettingRole, _ path: Path<Value>, among cases: [Value]? = nil,
    _ help: String
  ) -> Setting where Value.RawValue == String {
    let words = (cases ?? Array(Value.allCases)).map(\.rawValue)
    let names = words.joined(separator: ", ")
    return scalar(key, role, path, values: names, help, text: { $0.rawValue }) {
      (text) throws(Mismatch) in
      guard words.contains(text), let value = Value(rawValue: text) else {
        throw Mismatch(reason: "needs one of \(names), not '\(text)'")
      }
      return value
    }
  }

  /// A text that is not empty.
  static func text(
    _ key: String, _ role: SettingRole, _ path: Path<String>, _ help: String
  ) -> Setting {
    scalar(key, role, path, values: "a text", help, text: { $0 }) { (text) throws(Mismatch) in
      guard !text.isEmpty else { throw Mismatch(reason: "needs a text") }
      return text
    }
  }

  /// A list of different texts, or `auto`: nil.
  static func texts(
    _ key: String, _ role: SettingRole, _ path: Path<[String]?>, limit: Int, _ help: String
  ) -> Setting {
    Setting(
      key: key, help: help, values: "auto, or a list of texts", role: role,
      node: { root in
        root[keyPath: path].map {
          Node($0.map { Node($0, .implicit, .doubleQuoted) }, .implicit, .flow)
        }
          ?? Node("auto")
      },
      assign: { (root, node) throws(Mismatch) in
        if node.scalar?.string == "auto" { return root[keyPath: path] = nil }
        let texts = node.sequence.map { $0.compactMap(\.string) }
        guard let texts, texts.count == node.sequence?.count, !texts.isEmpty,
          texts.allSatisfy({ !$0.isEmpty }), Set(texts).count == texts.count
        else { throw Mismatch(reason: "needs auto, or a list of texts, none twice") }
        guard texts.count <= limit else {
          throw Mismatch(reason: "needs at most \(limit) texts, not \(texts.count)")
        }
        root[keyPath: path] = texts
      })
  }

  /// A list of whole numbers from 0, or `auto`: nil.
  static func wholeNumbers(
    _ key: String, _ role: SettingRole, _ path: Path<[Int]?>, limit: Int, _ help: String
  ) -> Setting {
    Setting(
      key: key, help: help, values: "auto, or a list of whole numbers", role: role,
      node: { root in
        root[keyPath: path].map { Node($0.map { Node("\($0)") }, .implicit, .flow) } ?? Node("auto")
      },
      assign: { (root, node) throws(Mismatch) in
        if node.scalar?.string == "auto" { return root[keyPath: path] = nil }
        let numbers = node.sequence.map { $0.compactMap { $0.string.flatMap { Int($0) } } }
        guard let numbers, numbers.count == node.sequence?.count, numbers.allSatisfy({ $0 >= 0 })
        else { throw Mismatch(reason: "needs auto, or a list of whole numbers from 0") }
        guard numbers.count <= limit else {
          throw Mismatch(reason: "needs at most \(limit) numbers, not \(numbers.count)")
        }
        root[keyPath: path] = numbers
      })
  }

  /// The path of a file, or `none`: nil.
  static func path(
    _ key: String, _ role: SettingRole, _ path: Path<String?>, _ help: String
  ) -> Setting {
    scalar(key, role, path, values: "none, or a path", help, text: { $0 ?? "none" }) {
      (text) throws(Mismatch) in
      guard !text.isEmpty else { throw Mismatch(reason: "needs a path") }
      return text == "none" ? nil : text
    }
  }

  /// A list of whole numbers from 1.
  static func integers(
    _ key: String, _ role: SettingRole, _ path: Path<[Int]>, unit: String? = nil, _ help: String
  ) -> Setting {
    Setting(
      key: key, help: help, values: "a list, as in [1, 2]" + (unit.map { ", of \($0)" } ?? ""),
      role: role,
      node: { root in
        Node(root[keyPath: path].map { Node(String($0)) }, .implicit, .flow)
      },
      assign: { (root, node) throws(Mismatch) in
        guard case .sequence(let sequence) = node else {
          throw Mismatch(reason: "needs a list of whole numbers, as in [1, 2]")
        }
        guard sequence.count <= 16 else {
          throw Mismatch(reason: "needs at most 16 numbers, not \(sequence.count)")
        }
        var values: [Int] = []
        for item in sequence {
          values.append(try whole(item.string ?? "a list", from: 1, to: largestExtent))
        }
        root[keyPath: path] = values
      })
  }

  /// A list of numbers, written out or in a text file, one after the other.
  ///
  /// The file is read at once: what a configuration says of itself is the list.
  static func numbers(
    _ key: String, _ role: SettingRole, _ path: Path<[Double]>, _ help: String
  ) -> Setting {
    Setting(
      key: key, help: help, values: "a list of numbers, or the path of a text file of them",
      role: role,
      node: { root in
        Node(root[keyPath: path].map { Node(yamlNumber($0)) }, .implicit, .flow)
      },
      assign: { (root, node) throws(Mismatch) in
        let words: [String?]
        if let sequence = node.sequence {
          words = sequence.map(\.string)
        } else {
          let path = node.string ?? ""
          guard let bytes = try? readSmallFile(path, role: "a list of numbers", limit: 1 << 20),
            let text = String(validating: bytes, as: UTF8.self)
          else {
            throw Mismatch(
              reason: "needs a list of numbers or a text file of them, and there is no readable "
                + "text file '\(path)'")
          }
          words = text.split { $0.isWhitespace || $0 == "," }.map(String.init)
        }
        root[keyPath: path] = try words.map { (word) throws(Mismatch) in
          guard let word, let value = Double(word), value.isFinite else {
            throw Mismatch(reason: "needs numbers, not '\(word ?? "a list")'")
          }
          return value
        }
      })
  }

  /// A list of rising numbers of a range.
  static func risingNumbers(
    _ key: String, _ role: SettingRole, _ path: Path<[Double]>, _ range: ClosedRange<Double>,
    _ help: String
  ) -> Setting {
    let values = "rising numbers from \(range.lowerBound) to \(range.upperBound)"
    return Setting(
      key: key, help: help, values: "a list of \(values), or []", role: role,
      node: { root in
        Node(root[keyPath: path].map { Node(yamlNumber($0)) }, .implicit, .flow)
      },
      assign: { (root, node) throws(Mismatch) in
        let numbers = node.sequence.map { $0.compactMap { $0.string.flatMap(Double.init) } }
        guard let numbers, numbers.count == node.sequence?.count,
          numbers.allSatisfy(range.contains), zip(numbers, numbers.dropFirst()).allSatisfy(<)
        else { throw Mismatch(reason: "needs a list of \(values), or []") }
        guard numbers.count <= 8 else {
          throw Mismatch(reason: "needs at most 8 numbers, not \(numbers.count)")
        }
        root[keyPath: path] = numbers
      })
  }

  /// The two ends of a range, `[]` for none, or `auto`: nil.
  static func range(
    _ key: String, _ role: SettingRole, _ path: Path<[Double]?>, _ help: String
  ) -> Setting {
    Setting(
      key: key, help: help, values: "auto, two rising numbers as in [0.0, 1.0], or []", role: role,
      node: { root in
        root[keyPath: path].map { Node($0.map { Node(yamlNumber($0)) }, .implicit, .flow) }
          ?? Node("auto")
      },
      assign: { (root, node) throws(Mismatch) in
        if node.scalar?.string == "auto" { return root[keyPath: path] = nil }
        let ends = node.sequence.map { $0.compactMap { $0.string.flatMap(Double.init) } }
        guard let ends, ends.count == node.sequence?.count,
          ends.isEmpty || ends.count == 2 && isFloatRange(ends)
        else { throw Mismatch(reason: "needs auto, [], or two rising numbers, as in [0.0, 1.0]") }
        root[keyPath: path] = ends
      })
  }
}
