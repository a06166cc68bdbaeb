// The checksum of TensorBoard's records.

/// CRC-32 with Castagnoli's polynomial, 0x82F63B78 with its bits reversed (RFC 3720, appendix B.4).
package enum CRC32C {
  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { crc, _ in crc >> 1 ^ (crc & 1 == 1 ? 0x82F6_3B78 : 0) }
  }

  /// The checksum of some bytes.
  package static func checksum(of bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(~UInt32(0)) { crc, byte in
      crc >> 8 ^ table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)]
    }
  }

  /// The checksum as records hold it, turned and shifted: the checksum of data that hold their own would
  /// have a constant in it.
  static func masked(of bytes: some Sequence<UInt8>) -> UInt32 {
    let crc = checksum(of: bytes)
    return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
  }
}
