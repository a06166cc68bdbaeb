// Files of generated images that are in memory as a whole.

import Glibc
import HDF5
import Tensors

/// Writes generated images and how they were made, `docs/formats.md`, "Samples".
public enum SampleFile {
  /// Writes `/samples` (uint8 or float32; N, H, W, C), whole or not at all.
  ///
  /// - Parameters:
  ///   - images: N × H × W × C values, channels last, in the bytes of the format; at least one
  ///     image.
  ///   - shape: The extents of one image.
  ///   - format: The element type and scale; an attribute states the levels or the range.
  ///   - origin: How the images were made: the checkpoint, the sampler, the seed …
  ///   - path: The file; one that exists is replaced.
  /// - Throws: `.cannotCreate` and `.inputOutput` as `AtomicFile.write`.
  public static func write(
    _ images: [UInt8], shape: ImageShape, format: PixelFormat,
    origin: [String: AttributeValue], to path: String
  ) throws(StorageError) {
    let layout = SampleLayout(
      images: images.count / (shape.count * format.bytes), shape: shape, format: format,
      attributes: origin)
    let file = try TemporaryFile(for: path)
    let places = try layout.create(at: file.path, for: path)
    do throws(SystemFailure) {
      let descriptor = try Descriptor(file.path, O_WRONLY)
      try descriptor.write(samples: images, extras: [], from: 0, layout, places)
      try descriptor.synchronize()
      try descriptor.close()
    } catch {
      throw .inputOutput(path: path, reason: "cannot write the file: \(error.reason)")
    }
    try file.publish()
  }
}
