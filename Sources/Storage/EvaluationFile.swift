// Files of evaluations, `docs/formats.md`, "Evaluations".

import HDF5

/// Writes what an evaluation has found.
public enum EvaluationFile {
  /// One estimate of −log p(x) in nats.
  public struct Estimate: Sendable {
    let name: String
    let terms: [String]
    let means, errors, totals: [Double]

    /// An estimate with the means of its terms, their standard errors, and the total of each image.
    public init(
      name: String, terms: [String], means: [Double], errors: [Double], totals: [Double]
    ) {
      precondition(
        means.count == terms.count && errors.count == terms.count, "A term has mean and error.")
      (self.name, self.terms) = (name, terms)
      (self.means, self.errors, self.totals) = (means, errors, totals)
    }
  }

  /// A table with a title.
  public struct Table: Sendable {
    let title: String
    let columns: [String]
    let rows: [[Double]]

    /// A table whose rows have a number for each column.
    public init(title: String, columns: [String], rows: [[Double]]) {
      (self.title, self.columns, self.rows) = (title, columns, rows)
    }
  }

  /// Writes the file, whole or not at all.
  ///
  /// - Parameters:
  ///   - attributes: What was evaluated and how.
  ///   - images: The number of images.
  ///   - groups: The estimates.
  ///   - path: The file; one that exists is replaced.
  /// - Throws: `.cannotCreate` and `.inputOutput` as `AtomicFile.write`.
  public static func write(
    attributes: [String: AttributeValue], images: Int, groups: [Estimate], tables: [Table],
    to path: String
  ) throws(StorageError) {
    let numbers = groups.reduce(0) { $0 + 2 * $1.terms.count + $1.totals.count }
    let image = try writing(path) { () throws(HDF5Error) -> FileImage in
      let file = try File.createInMemory(label: path, increment: 8 * numbers + (1 << 16))
      let root = try file.root()
      try FileFormat.evaluation.write(to: root)
      for (name, value) in attributes.sorted(by: { $0.key < $1.key }) {
        try root.setAttribute(name, value)
      }
      try root.setAttribute("images", .integer(images))
      for estimate in groups {
        let group = try root.createGroup("estimates/\(estimate.name)")
        try group.write("terms", strings: estimate.terms)
        try group.write("means", estimate.means)
        try group.write("standard_errors", estimate.errors)
        try group.write("totals", estimate.totals)
        try group.close()
      }
      for (number, table) in tables.enumerated() where !table.rows.isEmpty {
        let group = try root.createGroup("tables/\(number)")
        try group.setAttribute("title", .string(table.title))
        try group.write("columns", strings: table.columns)
        try group.write(
          "rows", Array(table.rows.joined()), shape: [table.rows.count, table.columns.count])
        try group.close()
      }
      try root.close()
      return try file.finish()
    }
    try image.withBytes { (bytes) throws(StorageError) in
      try AtomicFile.write([bytes], to: path)
    }
  }
}
