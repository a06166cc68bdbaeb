import HDF5

/// Generated images in HDF5: `/samples` and how they were made; `docs/formats.md` describes it.
public enum SampleFile {
  /// Writes images into a file that appears complete or not at all; equal images give equal bytes.
  ///
  /// - Parameters:
  ///   - images: (count, h, w, c), each scalar 0 … levels − 1.
  ///   - levels: The grey levels, in the attribute `levels`.
  ///   - attributes: How the images were made, on the root.
  ///   - path: The file; one that is there is replaced.
  /// - Throws: `StorageError.cannotCreate` or `.inputOutput`.
  public static func write(
    images: [UInt8], count: Int, shape: ImageShape, levels: Int,
    attributes: [(String, AttributeValue)], to path: String
  ) throws(StorageError) {
    precondition(images.count == count * shape.count, "The images are as many as the shape says.")
    try writeInMemory(path, expectedBytes: images.count) { (root) throws(HDF5Error) in
      try root.setAttribute("format", "ddpm-samples")
      try root.setAttribute("version", 1)
      for (name, value) in attributes { try root.setAttribute(name, value) }
      try root.write(
        "samples", images, shape: [count, shape.height, shape.width, shape.channels])
      let dataset = try root.dataset("samples")
      try dataset.setAttribute("levels", .integer(levels))
      try dataset.close()
    }
  }
}

/// Builds a file in memory and writes it whole.
func writeInMemory(
  _ path: String, expectedBytes: Int,
  _ build: (borrowing Group) throws(HDF5Error) -> Void
) throws(StorageError) {
  let image = try writing(path) { () throws(HDF5Error) -> FileImage in
    let file = try File.createInMemory(label: path, increment: expectedBytes + (1 << 16))
    let root = try file.root()
    try build(root)
    try root.close()
    return try file.finish()
  }
  try image.withBytes { (bytes) throws(StorageError) in
    try AtomicFile.write([bytes], to: path)
  }
}
