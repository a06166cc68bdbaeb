// The report as HDF5, with what every image costs.

import HDF5
import Models
import Storage
import Tensors

extension EvaluationReport {
  /// Writes the file that `docs/formats.md` describes as "Evaluations".
  func writeHDF5(to path: String) throws(StorageError) {
    try EvaluationFile.write(
      attributes: facts.mapValues(AttributeValue.init), images: count,
      groups: results.estimates.map {
        EvaluationFile.Estimate(
          name: $0.name, terms: $0.terms, means: $0.means, errors: $0.errors, totals: $0.totals)
      },
      tables: results.tables.map {
        EvaluationFile.Table(title: $0.title, columns: $0.columns, rows: $0.rows)
      }, to: path)
  }
}

extension AttributeValue {
  /// A fact as an attribute.
  init(_ fact: Fact) {
    self =
      switch fact {
      case .text(let text): .string(text)
      case .integer(let number): .integer(number)
      case .number(let number): .double(number)
      }
  }
}
