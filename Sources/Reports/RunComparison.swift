// In what runs differ.

/// Some runs beside each other: their results, and the settings that are not the same in all of them.
public struct RunComparison {
  private let runs: [RunSummary]

  /// Some runs.
  public init(_ runs: [RunSummary]) { self.runs = runs }

  /// The settings that differ: the names of the columns, and a row for each setting.
  public var settings: (head: [String], rows: [[String]]) {
    let keys = runs[0].settings.map(\.key)
    let others = Set(runs.flatMap { $0.settings.map(\.key) }).subtracting(keys).sorted()
    let rows = (keys + others).compactMap { key -> [String]? in
      // The name tells runs apart already.
      guard key != "name" else { return nil }
      let values = runs.map { $0.setting(key) ?? "none" }
      return Set(values).count > 1 ? [key] + values : nil
    }
    return (["setting"] + runs.map(\.name), rows)
  }

  /// How the runs went: the names of the columns, and a row for each number.
  public var results: (head: [String], rows: [[String]]) {
    let facts = runs.map { RunText.facts($0) }
    var names: [String] = []
    for name in facts.flatMap({ $0.map(\.name) }) where !names.contains(name) { names.append(name) }
    let rows =
      [["state"] + runs.map(RunText.state)]
      + names.map { name in
        [name] + facts.map { list in list.first { $0.name == name }?.value ?? "" }
      }
    return (["run"] + runs.map(\.name), rows)
  }
}
