// The grey that stands for a value where images become pictures.

extension PixelFormat {
  /// Values in the bytes of the format as greys, black (0) to white (255).
  ///
  /// Level v is 255 v / (levels − 1), rounded; a continuous value is placed between the ends of its
  /// range.
  func greys(of bytes: [UInt8]) -> [UInt8] {
    switch self {
    case .levels(256): return bytes
    case .levels(let levels):
      precondition(levels >= 2, "There are at least two levels.")
      let top = levels - 1
      let table = (0..<max(256, levels)).map { UInt8(min((Int($0) * 255 + top / 2) / top, 255)) }
      guard element == .uint16 else { return bytes.map { table[Int($0)] } }
      return bytes.withUnsafeBytes { bytes in
        bytes.bindMemory(to: UInt16.self).map { table[Int(UInt16(littleEndian: $0))] }
      }
    case .range(let range):
      return bytes.withUnsafeBytes { bytes in
        bytes.bindMemory(to: Float.self).map { value in
          Self.grey(
            ofBrightness: Float(
              2 * (Double(value) - range.lowerBound) / (range.upperBound - range.lowerBound) - 1))
        }
      }
    }
  }

  /// The grey of a brightness in [−1, 1]; others are clipped, and what is not a number is black.
  static func grey(ofBrightness x: Float) -> UInt8 {
    x > -1 ? UInt8(((min(x, 1) + 1) * 127.5).rounded()) : 0
  }
}
