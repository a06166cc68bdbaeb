// Tables on stdout.

import Storage
import Training

/// Prints rows of columns, each as wide as its widest text.
func printColumns(_ rows: [[String]]) throws(StorageError) {
  let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
  let lines = rows.map { row in
    // The last column ends where its text does.
    zip(row, widths).enumerated().map { column, cell in
      cell.0 + String(repeating: " ", count: column + 1 < row.count ? cell.1 - cell.0.count : 0)
    }.joined(separator: "  ") + "\n"
  }
  try StandardStreams.print(lines.joined())
}
