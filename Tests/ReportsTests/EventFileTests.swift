// Event files against TensorBoard's own writer, and their checksum against published values.

import Foundation
import Reports
import Testing

@Suite struct EventFileTests {
  /// RFC 3720, appendix B.4, and the value that catalogues of checksums give for "123456789".
  @Test(
    arguments: [
      (Array("123456789".utf8), 0xE306_9283), ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
      ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43), (Array(0..<32), 0x46DD_794E), ([], 0),
    ] as [([UInt8], UInt32)])
  func checksums(_ bytes: [UInt8], _ checksum: UInt32) {
    #expect(CRC32C.checksum(of: bytes) == checksum)
  }

  @Test func theBytesAreTensorBoards() throws {
    func fixture(_ name: String) throws -> Data {
      try Data(contentsOf: Bundle.module.resourceURL!.appendingPathComponent("Fixtures/\(name)"))
    }
    let ours =
      Event(versionAt: 1000.5).record
      + Event(
        time: 1001.25, step: 7,
        [("loss", .scalar(0.15989485222814598)), ("terms/kl", .scalar(-3))]
      ).record
      + Event(
        time: 1002, step: 300_000_000_000, [("samples", .picture(try fixture("picture.png")))]
      ).record
    #expect(try Data(ours) == fixture("events.bin"))
  }

  /// All numbers are counted: the least, those at a limit, and the largest; and equal ones.
  @Test(arguments: [[0, 1, 2, 30], [5, 5, 5], [-1e-300, 1e100], [0.5]] as [[Double]])
  func histogramsCountAll(_ numbers: [Double]) throws {
    let record = Event(time: 0, step: 1, [("h", .histogram(numbers))]).record
    // The last field of the message is 30 packed doubles, behind their tag and length; then the checksum.
    let counts = record.dropLast(4).suffix(240)
    let bytes = Array(counts)
    let sum = stride(from: 0, to: 240, by: 8).reduce(0.0) { sum, i in
      let bits = bytes[i..<i + 8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      return sum + Double(bitPattern: bits)
    }
    #expect(sum == Double(numbers.count))
  }
}
