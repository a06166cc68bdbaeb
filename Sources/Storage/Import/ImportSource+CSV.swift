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
  /// The file is read twice: once to learn what is in it, and once for the images, so that it may
  /// be larger than the memory.
  ///
  /// The pixels of a line are height × width × channels values of 0 … levels − 1. Extents that
  /// are not given follow from their number: one channel, and a square.
  ///
  /// - Parameters:
  ///   - levels: the number of grey levels; where nil, `usualLevels`.
  ///   - caption: the column of the images' captions, which counts neither as a pixel nor as the
  ///     label; nil where there is none.
  /// - Throws: `StorageError` that names the line and the field of the first thing that is wrong.
  public static func csv(
    file path: String, height: Int? = nil, width: Int? = nil, channels: Int? = nil,
    levels: Int? = nil, label: CSVLabelColumn = .last, caption: CSVColumn? = nil
  ) throws(StorageError) -> ImportSource {
    precondition(
      PixelFormat.possibleLevels.contains(levels ?? 2), "Levels are 2 to 65,536.")
    var reader = try CSVReader(path: path, label: label, levels: levels, caption: caption)
    var (line, labels): ([UInt8], [Int]) = ([], [])
    while try reader.next(&line, &labels) {
      line.removeAll(keepingCapacity: true)
      labels.removeAll(keepingCapacity: true)
    }
    let shape = try shape(
      of: reader.pixelsPerLine, height: height, width: width, channels: channels, path: path)
    let levels = levels ?? usualLevels(largest: reader.largest)
    let header = ImportedHeader(
      path: path, shape: shape, format: .levels(levels),
      count: reader.lineCount, hasLabels: label != .none, classNames: nil,
      suggestedName: suggestedName(for: path))
    return ImportSource(header: header, captions: reader.captions) { sink in
      var reader = try CSVReader(
        path: path, label: label, levels: levels, caption: caption)
      for start in stride(from: 0, to: header.count, by: shape.importBatch) {
        let count = min(shape.importBatch, header.count - start)
        var (pixels, labels): ([UInt8], [Int]) = ([], [])
        for _ in 0..<count {
          guard try reader.next(&pixels, &labels), reader.pixelsPerLine == shape.count else {
            throw StorageError.badData(path: path, reason: "was changed while it was read")
          }
        }
        try sink(pixels, label == .none ? nil : labels)
      }
    }
  }

  /// The levels of whole numbers of which the largest is known: of small ones as many as there are, else the
  /// power of two from 256 on that holds them.
  static func usualLevels(largest: Int) -> Int {
    guard largest >= 128 else { return max(largest + 1, 2) }
    var levels = 256
    while levels <= largest { levels *= 2 }
    return levels
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
