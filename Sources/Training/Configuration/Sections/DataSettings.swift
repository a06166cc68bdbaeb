// Settings: the images.

import Storage
import Tensors

/// Which images are trained on. What is `auto` is as the dataset says, and a checkpoint has it
/// filled in.
public struct DataSettings: SettingsSection {
  /// The dataset's path; nil: the embedded digits.
  public var path: String?
  /// The group of the dataset's file that holds the images.
  public var group = "/"
  /// Whether each image is mirrored with probability ½.
  public var flip = false
  /// The grey levels of an image's scalars, 0 for continuous ones.
  public var levels: Int?
  /// The values of black and white of continuous images; empty for grey levels.
  public var valueRange: [Double]?
  /// The pixel rows of an image.
  public var height: Int?
  /// The pixel columns of an image.
  public var width: Int?
  /// The channels of an image.
  public var imageChannels: Int?

  /// Those of the embedded digits.
  public init() {}

  /// The keys: which images, and what they are.
  public static let settings: [Setting<Self>] = [
    .scalar(
      "data", .execution, \.path, values: "a path, or digits for the embedded ones",
      "the dataset (HDF5)", text: { $0 ?? "digits" }
    ) { (text) throws(Setting<Self>.Mismatch) in
      guard !text.isEmpty else { throw .init(reason: "needs a path") }
      return text == "digits" ? nil : text
    },
    .text("data_group", .execution, \.group, "group of the dataset's file, such as /train"),
    .flag("flip", .model, \.flip, "mirror each image with probability 1/2"),
    .integer(
      "levels", .model, \.levels, from: 0, to: 65536, except: 1,
      "grey levels, 0 if continuous; auto: the dataset's"),
    .range(
      "value_range", .model, \.valueRange,
      "black and white of continuous images; auto: the dataset's"),
    .integer(
      "height", .model, \.height, from: 1, to: Setting<Self>.largestExtent, unit: "pixels",
      "image rows; auto: the dataset's"),
    .integer(
      "width", .model, \.width, from: 1, to: Setting<Self>.largestExtent, unit: "pixels",
      "image columns; auto: the dataset's"),
    .integer(
      "image_channels", .model, \.imageChannels, from: 1, to: Setting<Self>.largestExtent,
      "image channels; auto: the dataset's"),
  ]

  /// The extents of an image; nil while they are not filled in.
  public var shape: ImageShape? {
    guard let height, let width, let imageChannels else { return nil }
    return ImageShape(height: height, width: width, channels: imageChannels)
  }

  /// How scalars stand for brightness; nil while the levels are not filled in.
  ///
  /// Continuous images of a checkpoint that does not say their range have [−1, 1].
  public var format: PixelFormat? {
    guard let levels else { return nil }
    if levels > 0 { return .levels(levels) }
    let ends = valueRange ?? []
    return .range(ends.count == 2 ? ends[0]...ends[1] : -1...1)
  }

  /// Fills in the extents and the scale of the images, or refuses a dataset that has others.
  mutating func adopt(_ dataset: ImageDataset) throws(ConfigurationError) {
    func merge<Value: Equatable>(
      _ key: String, _ own: Value?, _ found: Value
    ) throws(ConfigurationError) -> Value {
      guard own ?? found == found else {
        throw ConfigurationError(
          source: key, reason: "is \(own!), but the images of \(dataset.path) have \(found).")
      }
      return found
    }
    height = try merge("height", height, dataset.shape.height)
    width = try merge("width", width, dataset.shape.width)
    imageChannels = try merge("image_channels", imageChannels, dataset.shape.channels)
    levels = try merge("levels", levels, dataset.levels ?? 0)
    valueRange = try merge("value_range", valueRange, dataset.format.ends)
  }

  /// Takes what is `auto` here from another run's images.
  mutating func fill(from old: DataSettings) {
    (height, width, imageChannels) = (
      height ?? old.height, width ?? old.width, imageChannels ?? old.imageChannels
    )
    (levels, valueRange) = (levels ?? old.levels, valueRange ?? old.valueRange)
  }
}

extension PixelFormat {
  /// The values of black and white of continuous images; empty for grey levels.
  fileprivate var ends: [Double] {
    switch self {
    case .levels: []
    case .range(let range): [range.lowerBound, range.upperBound]
    }
  }
}
