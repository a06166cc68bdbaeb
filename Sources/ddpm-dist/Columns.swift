// Tables on stdout.

import Foundation
import Storage
import Training

/// Rows of columns, each as wide as its widest text; the last ends where its text does.
func columnLines(_ rows: [[String]]) -> String {
  guard let first = rows.first else { return "" }
  let last = first.count - 1
  // A text in the place of the last columns does not widen its own.
  let widths = first.indices.map { column in
    rows.map { row in row[(column + 1)...].allSatisfy(\.isEmpty) ? 0 : row[column].count }.max()
      ?? 0
  }
  return rows.map { row in
    let end = row.lastIndex { !$0.isEmpty } ?? 0
    return row[...min(end, last)].enumerated().map { column, cell in
      cell + String(repeating: " ", count: column < end ? widths[column] - cell.count : 0)
    }.joined(separator: "  ") + "\n"
  }.joined()
}

/// Prints rows of columns, each as wide as its widest text.
func printColumns(_ rows: [[String]]) throws(StorageError) {
  try StandardStreams.print(columnLines(rows))
}

/// Four significant digits, whole numbers from 1000 on.
func number(_ value: Double) -> String {
  if abs(value) >= 999.5 { return String(format: "%.0f", value) }
  guard value != 0 else { return "0" }
  return String(format: "%.4g", value)
}
