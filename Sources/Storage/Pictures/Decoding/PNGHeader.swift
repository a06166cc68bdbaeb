// What the beginning of a PNG file declares, looked at before memory is taken for it.

/// The first chunk of a PNG file.
struct PNGHeader {
  /// The bytes that every PNG file begins with.
  static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
  /// The bytes of the signature, and of the first chunk with its length, name and checksum.
  static let end = 33

  let width: Int
  let height: Int
  /// Bits of a value.
  let depth: Int
  /// Values of a pixel: of a palette, one.
  let channels: Int

  /// Reads the declaration; nil where the file is too short or does not begin with it, which libpng
  /// refuses in its own words.
  init?(_ bytes: some RandomAccessCollection<UInt8>) {
    let bytes = Array(bytes.prefix(Self.end))
    guard bytes.count == Self.end, bytes[12..<16].elementsEqual("IHDR".utf8) else { return nil }
    width = bytes[16..<20].reduce(0) { $0 << 8 | Int($1) }
    height = bytes[20..<24].reduce(0) { $0 << 8 | Int($1) }
    depth = Int(bytes[24])
    channels = [2: 3, 4: 2, 6: 4][bytes[25]] ?? 1
  }

  /// Refuses what is no PNG file or declares more than is read.
  ///
  /// - Parameter isWhole: Whether the bytes are those of the whole file, and not of its beginning.
  static func check(_ bytes: [UInt8], path: String, isWhole: Bool = false) throws(StorageError) {
    guard bytes.starts(with: signature) else {
      throw .badData(path: path, reason: "is not a PNG file")
    }
    guard let header = PNGHeader(bytes) else { return }
    let fault =
      PictureLimits.fault(
        height: header.height, width: header.width, packed: isWhole ? bytes.count : nil,
        ratio: .max >> 32) ?? (isWhole ? header.fault(packed: bytes.count) : nil)
    if let fault { throw .badData(path: path, reason: fault) }
  }

  /// Why a file of so many bytes cannot hold the picture; nil where it can.
  ///
  /// Deflate shrinks at most 1032 times.
  private func fault(packed bytes: Int) -> String? {
    let unpacked = height * ((width * channels * depth + 7) / 8)
    guard unpacked > 1100 * bytes else { return nil }
    return
      "says that it has \(height) × \(width) pixels, more than its \(bytes) bytes can hold: it "
      + "is damaged; make it again"
  }
}
