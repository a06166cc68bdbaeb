// Files of generated images, `docs/formats.md`, "Samples".

import HDF5
import Tensors

/// Writes generated images and how they were made.
public enum SampleFile {
  /// Refuses to replace an HDF5 file that is none of generated images: a dataset, a checkpoint.
  ///
  /// - Throws: `.cannotCreate`.
  public static func check(target path: String) throws(StorageError) {
    guard isHDF5(path) else { return }
    let format = try reading(path) { () throws(HDF5Error) in
      try File.open(path).root().string("format")
    }
    guard format != FileFormat.samples.rawValue else { return }
    throw .cannotCreate(
      path: path, reason: "is another HDF5 file, not one of samples; remove it or choose a new name"
    )
  }

  /// Writes `/samples` (uint8; N, H, W, C), whole or not at all.
  ///
  /// - Parameters:
  ///   - images: N × H × W × C bytes, channels last.
  ///   - shape: The extents of one image.
  ///   - levels: The number of grey levels, 2 … 256: values are 0 … levels − 1.
  ///   - origin: How the images were made: the checkpoint, its hash, the sampler, the seed …
  ///   - path: The file; one that exists is replaced.
  /// - Throws: `.cannotCreate` and `.inputOutput` as `AtomicFile.write`.
  public static func write(
    _ images: [UInt8], shape: ImageShape, levels: Int, origin: [String: AttributeValue],
    to path: String
  ) throws(StorageError) {
    precondition(images.count % shape.count == 0, "Only whole images can be written.")
    precondition(
      (2...256).contains(levels) && images.allSatisfy { Int($0) < levels },
      "The values of samples must be below their levels.")
    let image = try writing(path) { () throws(HDF5Error) -> FileImage in
      let file = try File.createInMemory(label: path, increment: images.count + (1 << 16))
      let root = try file.root()
      try FileFormat.samples.write(to: root)
      for (name, value) in origin.sorted(by: { $0.key < $1.key }) {
        try root.setAttribute(name, value)
      }
      let samples = try root.createDataset(
        "samples", of: UInt8.self,
        shape: [images.count / shape.count, shape.height, shape.width, shape.channels])
      try images.withUnsafeBufferPointer { (buffer) throws(HDF5Error) in
        try samples.write(buffer)
      }
      try samples.setAttribute("levels", .integer(levels))
      try samples.setAttribute("layout", .string(AxisOrder.channelsLast.rawValue))
      try samples.close()
      try root.close()
      return try file.finish()
    }
    try image.withBytes { (bytes) throws(StorageError) in
      try AtomicFile.write([bytes], to: path)
    }
  }
}
