// What a file of samples holds, and where: known before the first image is drawn.

import HDF5
import Tensors

/// The structure of a file of samples, `docs/formats.md`, "Samples".
public struct SampleLayout: Equatable, Sendable {
  /// An array that has a part for each image, beside the images: the steps of a trajectory, x_T …
  public struct Extra: Equatable, Sendable {
    /// The dataset's name below the root.
    public let name: String
    /// The extents of an image's part; none for one number an image.
    public let extents: [Int]
    /// The dataset's attributes.
    public let attributes: [String: AttributeValue]

    /// The number of values of one image.
    public var count: Int { extents.reduce(1, *) }

    /// An array of 32-bit floats (n, extents…).
    public init(_ name: String, extents: [Int], attributes: [String: AttributeValue] = [:]) {
      precondition(
        !name.isEmpty && !name.contains("/")
          && !["samples", "labels", "class_names", "captions"].contains(name),
        "An extra array has a name of its own.")
      precondition(extents.allSatisfy { $0 > 0 }, "The extents of an extra array are positive.")
      (self.name, self.extents, self.attributes) = (name, extents, attributes)
    }
  }

  /// The number of images, n.
  public let count: Int
  /// The extents of one image.
  public let shape: ImageShape
  /// The element type and scale of the images; an attribute states the levels or the range.
  public let format: PixelFormat
  /// How the images were made, as attributes of the root: the checkpoint, the sampler, the seed …
  public let attributes: [String: AttributeValue]
  /// The arrays beside the images.
  public let extras: [Extra]
  /// The class of each image, where all have one.
  public let labels: [Int]?
  /// The names of the classes.
  public let classNames: [String]?
  /// The caption that each image was drawn for, where all have one.
  public let captions: [String]?

  /// The bytes of one image.
  public var imageBytes: Int { shape.count * format.bytes }

  /// A file of `count` images.
  public init(
    images count: Int, shape: ImageShape, format: PixelFormat,
    attributes: [String: AttributeValue] = [:], extras: [Extra] = [], labels: [Int]? = nil,
    classNames: [String]? = nil, captions: [String]? = nil
  ) {
    precondition(count > 0 && shape.count > 0, "A file of samples holds at least one image.")
    precondition(Set(extras.map(\.name)).count == extras.count, "The names of arrays differ.")
    precondition(
      labels?.count ?? count == count && captions?.count ?? count == count,
      "Each image has a class or a caption, or none has.")
    self.count = count
    self.shape = shape
    self.format = format
    self.attributes = attributes
    self.extras = extras
    (self.labels, self.classNames, self.captions) = (labels, classNames, captions)
  }

  /// Creates the file with everything but the elements of its datasets.
  ///
  /// The rest of the file depends on the layout alone. It has its whole size at once, which on most
  /// disks takes no room.
  ///
  /// - Parameters:
  ///   - path: A file that may be emptied.
  ///   - target: The file that errors are about.
  /// - Returns: Where the elements belong.
  func create(at path: String, for target: String) throws(StorageError) -> SamplePlaces {
    let (samples, extras) = try writing(target) { () throws(HDF5Error) -> (Int, [Int]) in
      let file = try File.create(path)
      let root = try file.root()
      try FileFormat.samples.write(to: root, version: format.element == .uint16 ? 2 : 1)
      let extents = [count, shape.height, shape.width, shape.channels]
      switch shape.channels {
      case 1:
        try ViewerAttributes.writeView(of: "/samples", format.element.type, extents, to: root)
      case 3: try ViewerAttributes.mark(root, signal: "samples")
      default: break
      }
      try Self.write(attributes, to: root)
      var scale = ViewerAttributes.picture(channels: shape.channels, isStack: true)
      scale["layout"] = .string(AxisOrder.channelsLast.rawValue)
      switch format {
      case .levels(let levels): scale["levels"] = .integer(levels)
      case .range(let range):
        scale["value_range"] = .doubles([range.lowerBound, range.upperBound])
      }
      let samples = try Self.reserve("samples", of: format.element.type, extents, scale, in: root)
      var places: [Int] = []
      for extra in self.extras {
        places.append(
          try Self.reserve(
            extra.name, of: Float.self, [count] + extra.extents, extra.attributes, in: root))
      }
      if let labels { try root.write(labels: labels, classNames: classNames) }
      if let captions {
        try ImageCaptions(captions.map { [$0] }).write(to: root, named: "captions", gzip: nil)
      }
      try root.close()
      try file.close()
      return (samples, places)
    }
    guard case .file(let bytes) = FileKind(path) else {
      throw .inputOutput(path: target, reason: "was removed while it was written")
    }
    return SamplePlaces(samples: samples, extras: extras, end: bytes)
  }

  /// Creates a dataset without its elements.
  ///
  /// - Returns: The place of the elements in the file.
  private static func reserve<Element: HDF5Element>(
    _ name: String, of type: Element.Type, _ extents: [Int],
    _ attributes: [String: AttributeValue], in root: borrowing Group
  ) throws(HDF5Error) -> Int {
    let dataset = try root.createDataset(name, of: type, shape: extents, layout: .reserved)
    try write(attributes, to: dataset)
    guard let offset = dataset.offset else {
      preconditionFailure("A reserved dataset has a place in its file.")
    }
    try dataset.close()
    return offset
  }

  /// Writes attributes in the order of their names, so that equal layouts give equal bytes.
  private static func write(
    _ attributes: [String: AttributeValue], to object: borrowing some HDF5Object & ~Copyable
  ) throws(HDF5Error) {
    for (name, value) in attributes.sorted(by: { $0.key < $1.key }) {
      try object.setAttribute(name, value)
    }
  }
}

/// Where the elements of a file of samples are, in bytes from its beginning.
struct SamplePlaces: Equatable {
  /// The first image.
  let samples: Int
  /// The first value of each extra array.
  let extras: [Int]
  /// The end of the HDF5 file.
  let end: Int
}

extension Descriptor {
  /// Writes images, and their parts of the extra arrays, where they belong.
  ///
  /// - Parameter image: The number of the first one.
  /// - Returns: The number of images.
  @discardableResult
  func write(
    samples: [UInt8], extras: [[Float]], from image: Int, _ layout: SampleLayout,
    _ places: SamplePlaces
  ) throws(SystemFailure) -> Int {
    precondition(samples.count % layout.imageBytes == 0, "Only whole images can be written.")
    let count = samples.count / layout.imageBytes
    precondition(image + count <= layout.count, "There are no more images than was said.")
    precondition(
      extras.map(\.count) == layout.extras.map { count * $0.count },
      "Each image has its part of each extra array.")
    if case .levels = layout.format {
      precondition(
        samples.withUnsafeBytes { layout.format.fault(in: $0) } == nil,
        "The values of samples must be below their levels.")
    }
    try write(samples, at: places.samples + image * layout.imageBytes)
    for (index, values) in extras.enumerated() {
      // The dataset is declared little-endian, as the values in memory are.
      try write(values, at: places.extras[index] + image * 4 * layout.extras[index].count)
    }
    return count
  }

  /// The bytes of a file of samples that are not elements of a dataset: its identity.
  func header(_ layout: SampleLayout, _ places: SamplePlaces) throws(SystemFailure) -> [UInt8] {
    var elements = [places.samples..<places.samples + layout.count * layout.imageBytes]
    for (place, extra) in zip(places.extras, layout.extras) {
      elements.append(place..<place + 4 * layout.count * extra.count)
    }
    var (bytes, end) = ([UInt8](), 0)
    for range in elements.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      bytes += try read(end..<range.lowerBound)
      end = range.upperBound
    }
    return bytes + (try read(end..<max(end, places.end)))
  }
}
