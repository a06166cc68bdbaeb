// The results of evaluations that somebody has put beside a run.

import Foundation
import Storage

/// What `ddpm-dist evaluate --output RUN/bound.json` has found.
struct KeptEvaluation: Decodable {
  /// One estimate of the bound, in the unit of the evaluation.
  struct Estimate: Decodable {
    struct Term: Decodable {
      let name: String
      let mean: Double
    }

    let name: String
    let total: Double
    let error: Double?
    let terms: [Term]

    /// The terms, of many the first, the sum of those between, and the last.
    var parts: [(name: String, mean: Double)] {
      guard terms.count > 6 else { return terms.map { ($0.name, $0.mean) } }
      let between = terms.dropFirst().dropLast()
      return [
        (terms[0].name, terms[0].mean),
        (
          "\(between.first!.name) … \(between.last!.name)",
          between.reduce(0) { $0 + $1.mean }
        ),
        (terms.last!.name, terms.last!.mean),
      ]
    }
  }

  let estimates: [Estimate]
  let unit: String
  let facts: [String: String]

  private enum CodingKeys: String, CodingKey { case estimates, facts, unit }

  init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    estimates = try values.decode([Estimate].self, forKey: .estimates)
    unit = try values.decode(String.self, forKey: .unit)
    // Facts are texts and numbers, and lists that are not shown.
    let facts = try values.decode([String: Fact].self, forKey: .facts)
    self.facts = facts.mapValues(\.text)
  }

  private struct Fact: Decodable {
    let text: String

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      if let text = try? value.decode(String.self) {
        self.text = text
      } else if let number = try? value.decode(Double.self) {
        text = number == number.rounded() && abs(number) < 1e15 ? "\(Int(number))" : "\(number)"
      } else {
        text = ""
      }
    }
  }

  /// The evaluations in a run's folder, by their files' names in the order of the alphabet.
  static func all(in folder: String) -> [(name: String, evaluation: KeptEvaluation)] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let decoder = JSONDecoder()
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    return names.filter { $0.hasSuffix(".json") }.sorted().compactMap { name in
      guard let bytes = (try? AtomicFile.contents(of: "\(folder)/\(name)")) ?? nil,
        bytes.count < 4 << 20,
        let evaluation = try? decoder.decode(Self.self, from: Data(bytes))
      else { return nil }
      return (name, evaluation)
    }
  }
}
