// The report as JSON, for programs.

import Foundation
import Models
import Storage
import Tensors

extension EvaluationReport {
  /// One object: `facts`, `images`, `unit`, `estimates`, `tables`, and `truth` where it is known.
  func json() -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    let content = Content(
      facts: facts.mapValues(Value.init), images: count, unit: unit, truth: truth.map(inUnit),
      estimates: results.estimates.map { estimate in
        let (mean, error) = estimate.total
        return Content.Estimate(
          name: estimate.name, total: inUnit(mean), error: inUnit(error),
          terms: zip(estimate.terms, zip(estimate.means, estimate.errors)).map {
            Content.Term(name: $0, mean: inUnit($1.0), error: inUnit($1.1))
          })
      },
      tables: results.tables.map {
        Content.Table(title: $0.title, columns: $0.columns, rows: $0.rows)
      })
    do {
      return String(decoding: try encoder.encode(content), as: UTF8.self) + "\n"
    } catch {
      preconditionFailure("Numbers and texts can always be encoded: \(error)")
    }
  }

  private struct Content: Encodable {
    struct Term: Encodable {
      let name: String
      let mean, error: Double
    }
    struct Estimate: Encodable {
      let name: String
      let total, error: Double
      let terms: [Term]
    }
    struct Table: Encodable {
      let title: String
      let columns: [String]
      let rows: [[Double]]
    }
    let facts: [String: Value]
    let images: Int
    let unit: String
    let truth: Double?
    let estimates: [Estimate]
    let tables: [Table]
  }

  /// A fact as a value of JSON.
  private struct Value: Encodable {
    let fact: Fact

    init(_ fact: Fact) { self.fact = fact }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch fact {
      case .text(let text): try container.encode(text)
      case .integer(let number): try container.encode(number)
      case .number(let number): try container.encode(number)
      }
    }
  }
}
