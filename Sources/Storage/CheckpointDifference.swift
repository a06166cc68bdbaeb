// In what two checkpoints differ.

import Tensors

/// The differences between two checkpoints, but for where and how they were made.
public struct CheckpointDifference: Sendable {
  /// A tensor whose values differ.
  public struct Values: Equatable, Sendable {
    /// The tensor with its group, as `model/conv_in/W`.
    public let name: String
    /// The largest absolute difference of two scalars.
    public let absolute: Double
    /// The largest difference of two scalars, each by the larger of their absolute values.
    public let relative: Double
  }

  /// What stands in one file only, or has another shape there, in sentences.
  public let structure: [String]
  /// What is another number or text in the progress, the state or the facts.
  public let numbers: [(name: String, first: String, second: String)]
  /// The tensors whose values differ.
  public let tensors: [Values]

  /// Whether there is no difference.
  public var isEmpty: Bool { structure.isEmpty && numbers.isEmpty && tensors.isEmpty }

  /// Compares two checkpoints; `/config` is left to those who know the settings.
  ///
  /// Values are equal where their bits are.
  public init(_ first: Checkpoint, _ second: Checkpoint) {
    structure = Self.structure(first, second)
    numbers = Self.numbers(first, second)
    let (a, b) = (Self.buffers(first), Self.buffers(second))
    tensors = a.sorted { $0.key < $1.key }.flatMap { group, values -> [Values] in
      guard let others = b[group], values.count == others.count else { return [] }
      return Self.values(group, values, others, first.layout, second.layout)
    }
  }

  /// The buffers that a checkpoint has, by the names of their groups.
  private static func buffers(_ checkpoint: Checkpoint) -> [String: [Float]] {
    var buffers: [String: [Float]] = [:]
    for group in Checkpoint.TensorGroup.allCases where !checkpoint[keyPath: group.buffer].isEmpty {
      buffers[group.rawValue] = checkpoint[keyPath: group.buffer]
    }
    for (length, buffer) in checkpoint.averages { buffers[AverageSnapshot.group(length)] = buffer }
    return buffers
  }

  private static func structure(_ first: Checkpoint, _ second: Checkpoint) -> [String] {
    let (a, b) = (first.layout.entries, second.layout.entries)
    var sentences: [String] = []
    let shapes = Dictionary(b.map { ($0.name, $0.shape) }) { shape, _ in shape }
    for entry in a {
      guard let other = shapes[entry.name] else {
        sentences.append("\(entry.name) is in the first only")
        continue
      }
      if other != entry.shape {
        sentences.append("\(entry.name) has the shape \(entry.shape) and \(other)")
      }
    }
    let own = Set(a.map(\.name))
    sentences += b.filter { !own.contains($0.name) }.map { "\($0.name) is in the second only" }
    if sentences.isEmpty, a != b { sentences.append("the tensors have another order") }
    let groups = (Set(buffers(first).keys), Set(buffers(second).keys))
    sentences += groups.0.subtracting(groups.1).sorted().map { "/\($0) is in the first only" }
    sentences += groups.1.subtracting(groups.0).sorted().map { "/\($0) is in the second only" }
    return sentences
  }

  private static func numbers(
    _ first: Checkpoint, _ second: Checkpoint
  ) -> [(name: String, first: String, second: String)] {
    let (a, b) = (texts(first), texts(second))
    return Set(a.keys).union(b.keys).sorted().compactMap { name in
      let (own, other) = (a[name] ?? "none", b[name] ?? "none")
      return own == other ? nil : (name, own, other)
    }
  }

  /// Everything but the tensors and the configuration, in words.
  private static func texts(_ checkpoint: Checkpoint) -> [String: String] {
    let progress = checkpoint.progress
    var texts = [
      "progress/step": "\(progress.step)", "progress/images_seen": "\(progress.imagesSeen)",
      "progress/epochs": "\(progress.epochs)", "progress/seed": "\(progress.seed)",
      "progress/shards": "\(progress.shards)", "progress/loss": "\(progress.loss)",
    ]
    func add(_ group: String, _ vectors: [String: [Double]]) {
      for (name, values) in vectors { texts["\(group)/\(name)"] = summary(values) }
    }
    add("state", checkpoint.state)
    add("trainer", checkpoint.trainer)
    if let facts = checkpoint.facts {
      add(facts.name, facts.tables)
      for (name, text) in facts.texts { texts["\(facts.name)/\(name)"] = text }
    }
    if let history = checkpoint.validation {
      texts["validation/subject"] = history.subject
      texts["validation/steps"] = summary(history.steps.map { Double($0) })
      texts["validation/losses"] = summary(history.losses)
    }
    if let buckets = checkpoint.history?.buckets {
      texts["history/step"] = summary(buckets.map { Double($0.step) })
      texts["history/sum"] = summary(buckets.map(\.sum))
    }
    return texts
  }

  /// A vector in a few words that differ where the vectors do.
  private static func summary(_ values: [Double]) -> String {
    if values.count <= 4 { return "\(values)" }
    var hash = ContentHash()
    values.withUnsafeBytes { hash.update($0) }
    return "\(values.count) numbers of checksum \(hash.hexadecimal().prefix(8))"
  }

  private static func values(
    _ group: String, _ first: [Float], _ second: [Float], _ a: ParameterLayout,
    _ b: ParameterLayout
  ) -> [Values] {
    let others = Dictionary(b.entries.map { ($0.name, $0) }) { entry, _ in entry }
    return a.entries.compactMap { entry in
      guard let other = others[entry.name], other.shape == entry.shape else { return nil }
      var (absolute, relative, isEqual) = (0.0, 0.0, true)
      for (i, j) in zip(entry.range, other.range)
      where first[i].bitPattern != second[j].bitPattern {
        isEqual = false
        let (x, y) = (Double(first[i]), Double(second[j]))
        absolute = max(absolute, abs(x - y))
        if x != y { relative = max(relative, abs(x - y) / max(abs(x), abs(y))) }
      }
      return isEqual
        ? nil : Values(name: "\(group)/\(entry.name)", absolute: absolute, relative: relative)
    }
  }
}
