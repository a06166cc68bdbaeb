// What else than weights a model consists of, for those who read its files.

/// One fact of a model, or of how images were made.
public enum Fact: Equatable, Sendable {
  /// A word or a sentence.
  case text(String)
  /// A whole number.
  case integer(Int)
  /// Any other number.
  case number(Double)
}

/// What a reader of a checkpoint must know of its model beside the weights: texts and tables.
///
/// A checkpoint states them for other programs, and a model that is loaded compares its own with
/// them.
public struct ModelFacts: Equatable, Sendable {
  /// The group of the checkpoint that holds them, `diffusion` for example.
  public let name: String
  /// Words, as the configuration has them.
  public let texts: [String: String]
  /// Vectors of numbers.
  public let tables: [String: [Double]]

  /// Facts under a name.
  public init(name: String, texts: [String: String], tables: [String: [Double]]) {
    self.name = name
    self.texts = texts
    self.tables = tables
  }

  /// The first fact of these that others have differently, as a path below `name`; nil where none
  /// is.
  ///
  /// Numbers of tables may differ by 1e-9 of their size: another mathematics library may have
  /// rounded them.
  public func difference(from others: ModelFacts) -> String? {
    guard name == others.name else { return "/\(others.name)" }
    for (key, text) in texts.sorted(by: { $0.key < $1.key }) where others.texts[key] != text {
      return "/\(name)/\(key)"
    }
    for (key, table) in tables.sorted(by: { $0.key < $1.key }) {
      let other = others.tables[key] ?? []
      guard table.count == other.count,
        zip(table, other).allSatisfy({ abs($0 - $1) <= 1e-9 * abs($1) })
      else { return "/\(name)/\(key)" }
    }
    return nil
  }
}
