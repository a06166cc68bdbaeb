// Captions that somebody has written into a file of their own.

import Foundation
import HDF5

/// A file with the captions of images that are elsewhere.
///
/// - `.txt`: a line for each image, in their order.
/// - `.jsonl`: JSON, a line each: a string, a list of strings, or an object with `caption`, `captions` or
///   `text`. Where the objects have `file`, `file_name` or `image`, that names the picture, and lines of
///   the same one add up; else they stand in the order of the images.
/// - `.h5`, `.hdf5`: the dataset `/captions`, or another one, as in `words.h5:/train/text`.
public enum CaptionFile {
  /// The most bytes of a line.
  static let longestLine = 1 << 20

  /// Why a name is none of such a file, in words that follow the option; nil where it is one.
  public static func fault(inName name: String) -> String? {
    kind(of: name) == nil
      ? "needs a file .txt, .jsonl, .h5 or .hdf5, or a dataset of one, as words.h5:/captions" : nil
  }

  /// The file that a name stands for: without the dataset in it.
  public static func path(of name: String) -> String {
    if case .hdf5(let path, _) = kind(of: name) { path } else { name }
  }

  /// Reads and checks captions.
  ///
  /// - Parameters:
  ///   - name: The file, perhaps with the name of a dataset in it.
  ///   - bytes: What is in a file of text that lies in an archive; nil for one that is there.
  ///   - images: Where the images are, for messages.
  ///   - count: How many there are.
  ///   - names: What they are called, where they are.
  /// - Throws: `.missingInput`, or `.badData` for the first thing that is wrong.
  package static func read(
    _ name: String, bytes: [UInt8]? = nil, of images: String, count: Int, names: [String]?
  ) throws(StorageError) -> ImageCaptions {
    let captions: ImageCaptions
    switch kind(of: name) {
    case .hdf5(let path, let dataset):
      _ = try requireFile(path, role: "a file of captions")
      guard isHDF5(path) else { throw .badData(path: path, reason: "is not an HDF5 file") }
      try ChildCheck.require(path, .captions(dataset))
      captions = try readHDF5(path, dataset)
    case .lines: captions = try readLines(name, bytes)
    case .json: captions = try readJSON(name, bytes, of: images, names: names)
    case nil: preconditionFailure("Names of files of captions are checked before.")
    }
    guard captions.count == count else {
      throw .badData(
        path: name,
        reason: "has the captions of \(captions.count) images, but there are \(count) in \(images)")
    }
    return captions
  }

  private enum Kind: Equatable {
    case lines, json
    case hdf5(String, dataset: String)
  }

  private static func kind(of name: String) -> Kind? {
    if name.hasSuffix(".txt") { return .lines }
    if name.hasSuffix(".jsonl") { return .json }
    for ending in [".h5", ".hdf5"] {
      if name.hasSuffix(ending) { return .hdf5(name, dataset: "captions") }
      if let range = name.range(of: ending + ":", options: .backwards),
        range.upperBound < name.endIndex
      {
        let path = name[..<range.upperBound].dropLast()
        return .hdf5(String(path), dataset: String(name[range.upperBound...]))
      }
    }
    return nil
  }

  /// The captions in an HDF5 file.
  static func readHDF5(_ path: String, _ dataset: String) throws(StorageError) -> ImageCaptions {
    try reading(path) { () throws(HDF5Error) -> ImageCaptions in
      let root = try File.open(path).root()
      guard let captions = try ImageCaptions(of: root, named: dataset, count: nil) else {
        throw .missing(place: root.place, reason: "holds no dataset named \(dataset)")
      }
      return captions
    }
  }

  // MARK: Lines of text

  private static func readLines(
    _ path: String, _ bytes: [UInt8]?
  ) throws(StorageError) -> ImageCaptions {
    var captions = ImageCaptions(perImage: 1)
    try forEachLine(path, bytes) { (bytes, line) throws(StorageError) in
      try append(bytes, to: &captions, path, line)
    }
    return captions
  }

  /// Hands on the lines, without the carriage return of a CRLF.
  private static func forEachLine(
    _ path: String, _ bytes: [UInt8]?, _ body: ([UInt8], Int) throws(StorageError) -> Void
  ) throws(StorageError) {
    var lines =
      if let bytes {
        InputLines(bytes: bytes, path: path, longest: longestLine)
      } else {
        try InputLines(path: path, longest: longestLine)
      }
    while let range = try lines.next() {
      var line = lines.bytes[range]
      if line.last == UInt8(ascii: "\r") { line.removeLast() }
      try body(Array(line), lines.number)
    }
    guard lines.number > 1 else { throw .badData(path: path, reason: "holds no caption") }
  }

  private static func append(
    _ bytes: [UInt8], to captions: inout ImageCaptions, _ path: String, _ line: Int
  ) throws(StorageError) {
    if let fault = bytes.withUnsafeBufferPointer({ captions.add($0) }) {
      throw .badData(path: path, reason: "line \(line): the caption \(fault)")
    }
  }

  // MARK: Lines of JSON

  private static func readJSON(
    _ path: String, _ bytes: [UInt8]?, of images: String, names: [String]?
  ) throws(StorageError) -> ImageCaptions {
    var lines: [(number: Int, content: JSONCaption)] = []
    try forEachLine(path, bytes) { (bytes, number) throws(StorageError) in
      guard String(validating: bytes, as: UTF8.self) != nil else {
        throw .badData(path: path, reason: "line \(number) is not UTF-8")
      }
      guard bytes.contains(where: { !isBlank($0) }) else { return }
      guard let content = try? JSONDecoder().decode(JSONCaption.self, from: Data(bytes)) else {
        throw .badData(
          path: path,
          reason:
            "line \(number) is no JSON of a caption: a string, a list of strings or an object "
            + "as {\"file\": \"a.png\", \"caption\": \"a cat\"}")
      }
      if let first = lines.first, (first.content.file == nil) != (content.file == nil) {
        throw .badData(
          path: path,
          reason: "line \(number) names \(content.file == nil ? "no" : "a") file, other than those "
            + "before it")
      }
      lines.append((number, content))
    }
    guard let first = lines.first else { throw .badData(path: path, reason: "holds no caption") }
    let ordered =
      first.content.file == nil
      ? lines.map { (line: $0.number, texts: $0.content.captions) }
      : try byName(lines, path, images, names)
    let perImage = ordered[0].texts.count
    guard (1...ImageCaptions.mostPerImage).contains(perImage) else {
      throw .badData(
        path: path,
        reason: "line \(ordered[0].line) has \(perImage) captions; an image has 1 to "
          + "\(ImageCaptions.mostPerImage)")
    }
    var captions = ImageCaptions(perImage: perImage)
    for (line, texts) in ordered {
      guard texts.count == perImage else {
        throw .badData(
          path: path,
          reason: "line \(line): its image has \(texts.count) captions where the first has "
            + "\(perImage); give all equally many")
      }
      for text in texts { try append(Array(text.utf8), to: &captions, path, line) }
    }
    return captions
  }

  /// The captions in the order of the pictures that they name; of each the line where the last stands.
  private static func byName(
    _ lines: [(number: Int, content: JSONCaption)], _ path: String, _ images: String,
    _ names: [String]?
  ) throws(StorageError) -> [(line: Int, texts: [String])] {
    guard let names else {
      throw .badData(
        path: path,
        reason: "line \(lines[0].number) names a file, but the images of \(images) have no names")
    }
    var places: [String: Int] = [:]
    for (place, name) in names.enumerated() { places[name] = place }
    var ordered = [(line: Int, texts: [String])](repeating: (0, []), count: names.count)
    for (number, content) in lines {
      guard let place = places[content.file!] else {
        throw .badData(
          path: path, reason: "line \(number): there is no picture \(content.file!) in \(images)")
      }
      ordered[place].line = number
      ordered[place].texts += content.captions
    }
    if let missing = ordered.firstIndex(where: { $0.texts.isEmpty }) {
      throw .badData(path: path, reason: "has no caption of \(names[missing])")
    }
    return ordered
  }
}

/// A line of JSON: captions, and perhaps the name of the picture.
private struct JSONCaption: Decodable {
  var file: String?
  let captions: [String]

  private enum Key: String, CodingKey {
    case file, file_name, image
    case caption, captions, text
  }

  init(from decoder: Decoder) throws {
    if let captions = try? Self.texts(decoder.singleValueContainer()) {
      self.captions = captions
      return
    }
    let object = try decoder.container(keyedBy: Key.self)
    for key in [Key.file, .file_name, .image] where file == nil {
      file = try object.decodeIfPresent(String.self, forKey: key)
    }
    for key in [Key.captions, .caption, .text] where object.contains(key) {
      if let one = try? object.decode(String.self, forKey: key) {
        captions = [one]
      } else {
        captions = try object.decode([String].self, forKey: key)
      }
      return
    }
    throw DecodingError.keyNotFound(
      Key.caption, .init(codingPath: decoder.codingPath, debugDescription: "no caption"))
  }

  /// A string, or a list of them.
  private static func texts(_ value: SingleValueDecodingContainer) throws -> [String] {
    if let one = try? value.decode(String.self) { return [one] }
    return try value.decode([String].self)
  }
}
