// dataset.json: the classes of pictures, as the tools of EDM write them, and more where we wrote it.

import Foundation

/// What a file `dataset.json` beside pictures says.
///
/// `{"labels": [["00000/img00000000.png", 6], …]}`, or null for none: T. Karras et al., "Elucidating the
/// Design Space of Diffusion-Based Generative Models", 2022, its program `dataset_tool.py`. An export of
/// this program adds `class_names` and `levels`; the order of the labels is that of the images.
struct PictureIndex: Codable, Equatable {
  /// The file's name.
  static let name = "dataset.json"
  /// The most bytes that are read of it.
  static let limit = 1 << 26

  /// The class of a picture.
  struct Label: Codable, Equatable {
    let name: String
    let label: Int

    init(name: String, label: Int) { (self.name, self.label) = (name, label) }

    init(from decoder: Decoder) throws {
      var pair = try decoder.unkeyedContainer()
      (name, label) = (try pair.decode(String.self), try pair.decode(Int.self))
      guard pair.isAtEnd, label >= 0 else {
        throw DecodingError.dataCorruptedError(in: pair, debugDescription: "no name and class")
      }
    }

    func encode(to encoder: Encoder) throws {
      var pair = encoder.unkeyedContainer()
      try pair.encode(name)
      try pair.encode(label)
    }
  }

  /// The class of each picture by its name; nil where there are none.
  var labels: [Label]?
  /// The names of the pictures where they have no classes, in the order of the images.
  var names: [String]?
  /// The names of the classes 0, 1, …
  var classNames: [String]?
  /// The number of grey levels, where the pictures show them spread over the whole scale.
  var levels: Int?

  private enum CodingKeys: String, CodingKey {
    case labels, names, levels
    case classNames = "class_names"
  }

  /// Reads the bytes of a file.
  static func decode(_ bytes: [UInt8], path: String) throws(StorageError) -> PictureIndex {
    guard let index = try? JSONDecoder().decode(PictureIndex.self, from: Data(bytes)),
      index.levels.map({ PixelFormat.possibleLevels.contains($0) }) ?? true
    else {
      throw .badData(
        path: path,
        reason: "is not as {\"labels\": [[\"00000/img00000000.png\", 6], …]}, whose classes are "
          + "whole numbers from 0; correct it or move it away")
    }
    return index
  }

  /// The order of the pictures that it lists; nil where it lists none.
  var order: [String]? { labels?.map(\.name) ?? names }

  /// The classes of some pictures.
  func classes(of names: [String], path: String) throws(StorageError) -> [Int]? {
    guard let labels else { return nil }
    let known = Dictionary(labels.map { ($0.name, $0.label) }, uniquingKeysWith: { $1 })
    var classes: [Int] = []
    for name in names {
      guard let label = known[name] else {
        throw .badData(path: path, reason: "says no class of \(name)")
      }
      classes.append(label)
    }
    return classes
  }
}
