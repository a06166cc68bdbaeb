// What the pictures of an exported dataset are called, and the index that leads back.

import Foundation
import Tensors

/// The images of a dataset as PNG files: their names, their bytes and the files beside them.
///
/// A class is a sub-folder. Grey levels are spread over the whole scale of 8 bits, of more than 256 levels
/// over that of 16; `dataset.json` says how many there are, the classes and the order, so that an import
/// gives the same images back. Continuous images are rounded to 16 bits of their range.
struct PictureExport {
  /// The dataset.
  let dataset: ImageDataset
  /// The images of it.
  let range: Range<Int>
  /// The name of the picture of each.
  let names: [String]

  /// - Throws: `.badData` for images that are neither grey nor red-green-blue.
  init(_ dataset: ImageDataset, _ range: Range<Int>) throws(StorageError) {
    guard [1, 3].contains(dataset.shape.channels) else {
      throw .badData(
        path: dataset.path,
        reason: "has images of \(dataset.shape.channels) channels, and pictures have 1 or 3; "
          + "export them as npz")
    }
    self.dataset = dataset
    self.range = range
    let digits = max(8, String(dataset.count - 1).count)
    let folders = dataset.labels.map { Self.folders(of: $0, dataset.classNames) }
    names = range.map { image in
      let file = "img" + Self.padded(image, digits) + ".png"
      // A folder of more than ten thousand files is slow on many file systems.
      let folder = folders?[dataset.labels![image]] ?? Self.padded(image / 10_000, 5)
      return range.count <= 10_000 && folders == nil ? file : "\(folder)/\(file)"
    }
  }

  /// The folder of each class: its name, where that can be one and no other class has it.
  private static func folders(of labels: [Int], _ classNames: [String]?) -> [String] {
    let count = max((labels.max() ?? 0) + 1, classNames?.count ?? 0)
    let digits = String(count - 1).count
    var taken: Set<String> = []
    return (0..<count).map { label in
      let name = classNames.flatMap { label < $0.count ? $0[label] : nil } ?? ""
      let number = padded(label, digits)
      let isPlain =
        !name.isEmpty && name.utf8.count <= 100 && !name.hasPrefix(".")
        && name.unicodeScalars.allSatisfy { $0.value >= 32 && $0 != "/" && $0.value != 127 }
      let folder = isPlain && taken.insert(name.lowercased()).inserted ? name : "class " + number
      taken.insert(folder.lowercased())
      return folder
    }
  }

  private static func padded(_ number: Int, _ digits: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }

  // MARK: Files beside the pictures

  /// The files beside the pictures, by their names.
  func sidecars() throws(StorageError) -> [(name: String, bytes: [UInt8])] {
    var index = PictureIndex()
    if let labels = dataset.labels {
      index.labels = zip(names, range).map { .init(name: $0, label: labels[$1]) }
      index.classNames = dataset.classNames
    } else {
      index.names = names
    }
    index.levels = dataset.levels.flatMap { [256, 1 << 16].contains($0) ? nil : $0 }
    var files = [(name: PictureIndex.name, bytes: try Self.json(index))]
    if let captions = dataset.captions {
      var lines: [UInt8] = []
      for (name, image) in zip(names, range) {
        lines += try Self.json(CaptionLine(file: name, captions: captions.captions(of: image)))
        lines.append(UInt8(ascii: "\n"))
      }
      files.append((PictureSupply.captionNames[0], lines))
    }
    return files
  }

  private struct CaptionLine: Encodable {
    let file: String
    let captions: [String]
  }

  private static func json(_ value: some Encodable) throws(StorageError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? encoder.encode(value) else {
      fatalError("Names, numbers and lists of them have a form in JSON.")
    }
    return Array(data)
  }

  // MARK: Pictures

  /// Hands on the bytes of each picture, in order.
  func forEachPicture(
    _ body: (_ name: String, _ png: [UInt8]) throws(StorageError) -> Void
  ) throws(StorageError) {
    var place = 0
    try dataset.forEachStored(range) { (bytes) throws(StorageError) in
      try body(names[place], png(bytes))
      place += 1
    }
  }

  /// The PNG file of an image's stored bytes.
  private func png(_ bytes: [UInt8]) -> [UInt8] {
    switch dataset.format {
    case .levels(let levels) where levels <= 256:
      return Picture(shape: dataset.shape, pixels: dataset.format.greys(of: bytes)).pngBytes()
    case .levels(let levels):
      let last = levels - 1
      let values = bytes.withUnsafeBytes { bytes in
        bytes.bindMemory(to: UInt16.self).map { value in
          UInt16((Int(UInt16(littleEndian: value)) * 65_535 + last / 2) / last)
        }
      }
      return pngBytes(of: values, shape: dataset.shape)
    case .range(let range):
      let scale = 65_535 / (range.upperBound - range.lowerBound)
      let values = bytes.withUnsafeBytes { bytes in
        bytes.bindMemory(to: Float.self).map { value in
          UInt16(min(max((Double(value) - range.lowerBound) * scale, 0), 65_535).rounded())
        }
      }
      return pngBytes(of: values, shape: dataset.shape)
    }
  }
}

extension ImageDataset {
  /// Hands on the stored bytes of some images, channels last, each checked, one at a time.
  func forEachStored(
    _ range: Range<Int>, _ body: ([UInt8]) throws(StorageError) -> Void
  ) throws(StorageError) {
    let size = shape.count * format.bytes
    try forEachStoredBatch(range) { (bytes, count) throws(StorageError) in
      for image in 0..<count {
        try body(Array(bytes[image * size..<(image + 1) * size]))
      }
    }
  }

  /// Hands on the stored bytes of some images, channels last, a batch of about 4 MiB at a time.
  private func forEachStoredBatch(
    _ range: Range<Int>, _ body: ([UInt8], _ count: Int) throws(StorageError) -> Void
  ) throws(StorageError) {
    var open = try OpenImages.open(self, memoryLimit: 1 << 26)
    let together = max(1, shape.importBatch / format.bytes)
    for start in stride(from: range.lowerBound, to: range.upperBound, by: together) {
      let rows = start..<min(start + together, range.upperBound)
      try body(try open.bytes(of: rows), rows.count)
    }
  }
}

extension OpenImages {
  /// The stored bytes of neighbouring images, channels last.
  mutating func bytes(of rows: Range<Int>) throws(StorageError) -> [UInt8] {
    let count = rows.count * imageBytes
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 16)
    defer { buffer.deallocate() }
    try read(rows, into: buffer)
    return Array(buffer)
  }
}
