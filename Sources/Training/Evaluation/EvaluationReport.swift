// The results of an evaluation in the units that people read.

import Diffusion
import Foundation
import Models
import Storage
import Tensors

/// What an evaluation has found, and what it is of.
public struct EvaluationReport: Sendable {
  /// The estimates and tables.
  public let results: EvaluationResults
  /// What was evaluated and how: the checkpoint, the images, the method.
  public let facts: [String: Fact]
  /// The number of images.
  public let count: Int
  /// What images cost in truth, nats of an image, where the dataset knows its distribution.
  public let truth: Double?
  /// The extents of an image.
  let shape: ImageShape
  /// Whether the images have grey levels, so that nats become bits per dimension.
  let isDiscrete: Bool

  /// The results on so many images.
  public init(
    _ results: EvaluationResults, facts: [String: Fact], count: Int, truth: Double? = nil,
    shape: ImageShape, format: PixelFormat
  ) {
    (self.results, self.facts, self.count) = (results, facts, count)
    (self.truth, self.shape) = (truth, shape)
    isDiscrete = if case .levels = format { true } else { false }
  }

  /// The unit of costs: that of a density has no lower end, and is told in nats of an image.
  var unit: String { isDiscrete ? "bits/dim" : "nats" }

  /// Nats of an image in this unit.
  func inUnit(_ nats: Double) -> Double {
    isDiscrete ? bitsPerDimension(nats: nats, dimensions: shape.count) : nats
  }

  /// What a line says of an estimate's terms: of few all, of many the first, the sum of those between, and
  /// the last; of one nothing, which is the estimate itself.
  private func parts(of estimate: EvaluationResults.Estimate) -> (names: [String], means: [Double])
  {
    let (terms, means) = (estimate.terms, estimate.means)
    if terms.count < 2 { return ([], []) }
    if terms.count <= 4 { return (terms, means) }
    let between = means.dropFirst().dropLast().reduce(0, +)
    return ([terms.first!, "between", terms.last!], [means.first!, between, means.last!])
  }

  /// The summary: the estimates with their errors, and the tables, long ones thinned out.
  public func text() -> String {
    let parts = results.estimates.map(parts)
    // As "L_0  between  L_200", where all estimates with several terms have these.
    let names = Set(parts.map(\.names)).subtracting([[]])
    let columns = names.count > 1 ? ["first term", "between", "last term"] : names.first ?? []
    var lines = [row(["", unit, "± s.e."] + columns)]
    for (estimate, parts) in zip(results.estimates, parts) {
      let (mean, error) = estimate.total
      lines.append(
        row(
          [estimate.name, number(inUnit(mean)), number(inUnit(error))]
            + parts.means.map { number(inUnit($0)) }))
    }
    if let truth { lines.append(row(["truth", number(inUnit(truth))])) }
    for table in results.tables {
      lines += ["", table.title, row([""] + table.columns)]
      lines += thinned(table.rows).map { row([""] + $0.map(number)) }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// At most eleven of some rows, the first and the last among them.
  private func thinned(_ rows: [[Double]]) -> [[Double]] {
    guard rows.count > 11 else { return rows }
    return (0...10).map { rows[$0 * (rows.count - 1) / 10] }
  }

  private func row(_ cells: [String]) -> String {
    let width = results.estimates.reduce(12) { max($0, $1.name.count) }
    var line = cells[0].padding(
      toLength: max(width, cells[0].count), withPad: " ", startingAt: 0)
    for cell in cells.dropFirst() {
      line += "  " + String(repeating: " ", count: max(0, 13 - cell.count)) + cell
    }
    return line
  }

  private func number(_ value: Double) -> String {
    if value == value.rounded(), abs(value) < 1e6 { return String(Int(value)) }
    return abs(value) >= 0.01 && abs(value) < 1e5
      ? String(format: "%.4f", value) : String(format: "%.3e", value)
  }

  // MARK: Files

  /// The kinds of files that a report can be written to.
  public static let kinds: [OutputKind] = [.table, .report, .evaluation, .drawing]

  /// Writes the report in the form that the name's ending stands for.
  ///
  /// - Throws: `StorageError.cannotCreate` and `.inputOutput`.
  public func write(to path: String) throws(StorageError) {
    switch Self.kinds.first(where: { $0.fits(path) }) {
    case .table: try AtomicFile.write(Array(csv().utf8), to: path)
    case .report: try AtomicFile.write(Array(json().utf8), to: path)
    case .drawing: try AtomicFile.write(Array(svg().utf8), to: path)
    default: try writeHDF5(to: path)
    }
  }

  /// A line a term: its mean in nats and in bits per dimension, and their standard errors.
  func csv() -> String {
    var lines = ["estimate,term,nats,nats_error,bits_per_dim,bits_per_dim_error"]
    func bits(_ nats: Double) -> Double { bitsPerDimension(nats: nats, dimensions: shape.count) }
    for estimate in results.estimates {
      let (mean, error) = estimate.total
      let rows = zip(estimate.terms, zip(estimate.means, estimate.errors)).map { ($0, $1.0, $1.1) }
      for (term, nats, error) in rows + [("total", mean, error)] {
        lines.append("\(estimate.name),\(term),\(nats),\(error),\(bits(nats)),\(bits(error))")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
