// Files of generated images, `docs/formats.md`, "Samples".

import HDF5
import Tensors

/// Writes generated images and how they were made.
public enum SampleFile {
  /// Writes `/samples` (uint8 or float32; N, H, W, C), whole or not at all.
  ///
  /// - Parameters:
  ///   - images: N × H × W × C values, channels last, in the bytes of the format.
  ///   - shape: The extents of one image.
  ///   - format: The element type and scale; an attribute states the levels or the range.
  ///   - origin: How the images were made: the checkpoint, the sampler, the seed …
  ///   - path: The file; one that exists is replaced.
  /// - Throws: `.cannotCreate` and `.inputOutput` as `AtomicFile.write`.
  public static func write(
    _ images: [UInt8], shape: ImageShape, format: PixelFormat,
    origin: [String: AttributeValue], to path: String
  ) throws(StorageError) {
    let imageBytes = shape.count * format.bytes
    precondition(images.count % imageBytes == 0, "Only whole images can be written.")
    let extents = [images.count / imageBytes, shape.height, shape.width, shape.channels]
    let image = try writing(path) { () throws(HDF5Error) -> FileImage in
      let file = try File.createInMemory(label: path, increment: images.count + (1 << 16))
      let root = try file.root()
      try FileFormat.samples.write(to: root)
      for (name, value) in origin.sorted(by: { $0.key < $1.key }) {
        try root.setAttribute(name, value)
      }
      switch format {
      case .levels(let levels):
        precondition(
          images.allSatisfy { Int($0) < levels },
          "The values of samples must be below their levels.")
        try write(images, extents, root, ("levels", .integer(levels)))
      case .range(let range):
        let values = images.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        try write(
          values, extents, root, ("value_range", .doubles([range.lowerBound, range.upperBound])))
      }
      try root.close()
      return try file.finish()
    }
    try image.withBytes { (bytes) throws(StorageError) in
      try AtomicFile.write([bytes], to: path)
    }
  }

  /// Writes `/samples` and its attributes.
  private static func write<Element: HDF5Element>(
    _ values: [Element], _ extents: [Int], _ root: borrowing Group,
    _ scale: (name: String, value: AttributeValue)
  ) throws(HDF5Error) {
    let samples = try root.createDataset("samples", of: Element.self, shape: extents)
    try values.withUnsafeBufferPointer { (buffer) throws(HDF5Error) in try samples.write(buffer) }
    try samples.setAttribute(scale.name, scale.value)
    try samples.setAttribute("layout", .string(AxisOrder.channelsLast.rawValue))
    try samples.close()
  }
}
