// Noise and predictions as floats, for exchange with other programs.

import HDF5
import Tensors

/// Float arrays that go into the network and come out of it, in HDF5 files of their own.
///
/// `ddpm-sample --init` reads `/x_T`; `ddpm-dist predict` reads `/x_t` and `/t` and writes
/// `/prediction`; `docs/formats.md` describes both.
public struct NoisyImages: Equatable, Sendable {
  /// The images, (n, h, w, c).
  public let images: [Float]
  /// The timestep of each image, 0 … T − 1; empty where the file has none.
  public let times: [Int]
  /// The class of each image, −1 for none; empty where the file has none.
  public let labels: [Int]
  /// The grid that the images were encoded on, where the file is one of encoded samples.
  public let grid: String?
  /// The extents of one image.
  public let shape: ImageShape

  /// The number of images.
  public var count: Int { images.count / shape.count }

  /// Reads the images in the dataset `name`, and their times in the dataset `times`; with times, also the
  /// classes in the dataset `labels`, if there is one.
  ///
  /// - Parameters:
  ///   - shape: The extents that the images must have.
  ///   - timeLimit: T; each time must be below it.
  ///   - classes: K; each label must be below it.
  /// - Throws: `StorageError.missingInput`, or `.badData` for anything but n finite images.
  public init(
    path: String, images name: String, times timesName: String? = nil, shape: ImageShape,
    timeLimit: Int = 0, classes: Int = 0
  ) throws(StorageError) {
    _ = try requireFile(path, role: "a file of arrays")
    guard isHDF5(path) else { throw .badData(path: path, reason: "is not an HDF5 file") }
    try ChildCheck.require(path, .arrays(name, times: timesName))
    let (extents, scalars, times, labels, grid) = try Self.read(path, name, timesName)
    guard extents.count == 4, extents[0] > 0,
      Array(extents.dropFirst()) == [shape.height, shape.width, shape.channels]
    else {
      throw .badData(
        path: path,
        reason: "/\(name) has the extents \(extents), but must have (N, \(shape.height), "
          + "\(shape.width), \(shape.channels))")
    }
    if let bad = scalars.firstIndex(where: { !$0.isFinite }) {
      throw .badData(
        path: path, reason: "/\(name) has a \(scalars[bad]) in image \(bad / shape.count)")
    }
    if let timesName {
      guard times.count == extents[0] else {
        throw .badData(
          path: path,
          reason: "/\(timesName) has \(times.count) times for \(extents[0]) images")
      }
      if let bad = times.firstIndex(where: { $0 < 0 || $0 >= timeLimit }) {
        throw .badData(
          path: path,
          reason: "/\(timesName)[\(bad)] is \(times[bad]); times are 0 to \(timeLimit - 1)")
      }
    }
    guard labels.isEmpty || labels.count == extents[0] else {
      throw .badData(
        path: path, reason: "/labels has \(labels.count) classes for \(extents[0]) images")
    }
    if let bad = labels.firstIndex(where: { $0 < -1 || $0 >= classes }) {
      throw .badData(
        path: path,
        reason: classes == 0
          ? "has /labels, but the model is not told classes"
          : "/labels[\(bad)] is \(labels[bad]); classes are 0 to \(classes - 1), and -1 for none")
    }
    self.labels = labels.map { Int($0) }
    images = scalars
    self.times = times.map { Int($0) }
    self.shape = shape
    self.grid = grid
  }

  /// What is in a file, before it is looked at.
  static func read(
    _ path: String, _ name: String, _ timesName: String?
  ) throws(StorageError) -> (
    extents: [Int], scalars: [Float], times: [Int64], labels: [Int64], grid: String?
  ) {
    try reading(path) { () throws(HDF5Error) -> ([Int], [Float], [Int64], [Int64], String?) in
      let root = try File.open(path).root()
      let dataset = try root.dataset(name)
      let times: [Int64] =
        try timesName.map { (name) throws(HDF5Error) in
          try root.dataset(name).values(as: Int64.self)
        } ?? []
      // Whether the file is one of ours must not be asked of a damaged heap of strings: what the library
      // makes of it depends on its memory, and the child may have had other luck.
      let format = try root.string("format", isOwn: true)
      let isEncoded = format == FileFormat.samples.rawValue
      let grid = isEncoded ? try root.string("grid", isOwn: true) : nil
      var labels: [Int64] = []
      if timesName != nil, try root.kind(of: "labels") != nil {
        labels = try root.dataset("labels").values(as: Int64.self)
      }
      return (dataset.shape, try dataset.values(as: Float.self), times, labels, grid)
    }
  }

  /// Writes the network's outputs, (n, h, w, c), as `/prediction`.
  ///
  /// - Throws: `StorageError.cannotCreate` or `.inputOutput`.
  public static func writePrediction(
    _ prediction: [Float], shape: ImageShape, to path: String
  ) throws(StorageError) {
    let count = prediction.count / shape.count
    let image = try writing(path) { () throws(HDF5Error) -> FileImage in
      let file = try File.createInMemory(
        label: path, increment: prediction.count * 4 + (1 << 16))
      let root = try file.root()
      try FileFormat.prediction.write(to: root)
      try root.write(
        "prediction", prediction, shape: [count, shape.height, shape.width, shape.channels])
      try root.close()
      return try file.finish()
    }
    try image.withBytes { (bytes) throws(StorageError) in
      try AtomicFile.write([bytes], to: path)
    }
  }
}
