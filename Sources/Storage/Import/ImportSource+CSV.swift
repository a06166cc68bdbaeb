// Text with one image per line: whole numbers between commas, pixels row by row.

import Tensors

/// Where a line of a CSV file has its label.
public enum CSVLabelColumn: String, CaseIterable, Sendable {
  /// After the pixels.
  case last
  /// Before the pixels.
  case first
  /// There is none.
  case none
}

extension ImportSource {
  /// The images of a CSV file (gzip'd or not); a first line without any number is a header.
  ///
  /// The pixels of a line are height × width × channels values of 0 … levels − 1. Extents that
  /// are not given follow from their number: one channel, and a square.
  ///
  /// - Parameters:
  ///   - levels: the number of grey levels; where nil, the largest value + 1, or 256 where that
  ///     value is 128 or more.
  /// - Throws: `StorageError` that names the line and the field of the first thing that is wrong.
  public static func csv(
    file path: String, height: Int? = nil, width: Int? = nil, channels: Int? = nil,
    levels: Int? = nil, label: CSVLabelColumn = .last
  ) throws(StorageError) -> ImportSource {
    precondition(levels ?? 2 >= 2 && levels ?? 2 <= 256, "Levels are 2 to 256.")
    var file = try InputFile(path: path)
    var table = CSVTable(bytes: try file.readToEnd(), path: path, label: label, levels: levels)
    try table.parse()
    let shape = try shape(
      of: table.pixelsPerLine, height: height, width: width, channels: channels, path: path)
    let largest = Int(table.largestPixel)
    let header = ImportedHeader(
      path: path, shape: shape, levels: levels ?? (largest < 128 ? max(largest + 1, 2) : 256),
      count: table.lineCount, hasLabels: label != .none, classNames: nil,
      suggestedName: suggestedName(for: path))
    let (pixels, labels) = (table.pixels, table.labels)
    return ImportSource(header: header) { sink in
      for start in stride(from: 0, to: header.count, by: shape.importBatch) {
        let end = min(start + shape.importBatch, header.count)
        try sink(
          Array(pixels[start * shape.count..<end * shape.count]),
          label == .none ? nil : Array(labels[start..<end]))
      }
    }
  }

  /// The extents of an image of `count` values: those given, else one channel and a square.
  private static func shape(
    of count: Int, height: Int?, width: Int?, channels: Int?, path: String
  ) throws(StorageError) -> ImageShape {
    let c = channels ?? 1
    let area = c > 0 ? count / c : 0
    let h: Int
    let w: Int
    switch (height, width) {
    case (let height?, let width?): (h, w) = (height, width)
    case (let height?, nil): (h, w) = (height, height > 0 ? area / height : 0)
    case (nil, let width?): (h, w) = (width > 0 ? area / width : 0, width)
    case (nil, nil):
      let side = Int(Double(area).squareRoot().rounded())
      (h, w) = (side, side)
    }
    guard let shape = ImageShape.checked(height: h, width: w, channels: c), shape.count == count
    else {
      let given = [("height", height), ("width", width), ("channels", channels)]
        .compactMap { name, value in value.map { "\(name) \($0)" } }
      throw .badData(
        path: path,
        reason: "a line has \(count) pixels, which are not "
          + (given.isEmpty
            ? "a square in one channel; give height, width, channels or where the label is"
            : "an image of \(given.joined(separator: ", "))"))
    }
    return shape
  }
}
