// TensorBoard's event files.

import Foundation

/// One event, as TensorBoard's protocol buffers have it (tensorboard/compat/proto, event.proto and
/// summary.proto): a time, a step and some values.
package struct Event {
  /// What an event tells.
  package enum Value {
    /// A number, in single precision.
    case scalar(Double)
    /// A picture, the bytes of a PNG file.
    case picture(Data)
    /// How often numbers lie where, in thirty parts of equal width.
    case histogram([Double])
  }

  private var message = ProtocolBuffer()

  /// Values of a step.
  ///
  /// - Parameter time: When it was, in seconds since 1970.
  package init(time: Double, step: Int, _ values: [(tag: String, value: Value)]) {
    message.append(1, time)
    message.append(2, step)
    var summary = ProtocolBuffer()
    for (tag, value) in values {
      var entry = ProtocolBuffer()
      entry.append(1, tag)
      switch value {
      case .scalar(let number): entry.append(2, Float(number))
      case .picture(let bytes):
        // A PNG file names its width and height in bytes 16 to 23, and its kind of colour in byte 25.
        guard bytes.count > 26 else { continue }
        let header = Array(bytes.prefix(26))
        func word(_ i: Int) -> Int { header[i..<i + 4].reduce(0) { $0 << 8 | Int($1) } }
        var picture = ProtocolBuffer()
        picture.append(1, word(20))
        picture.append(2, word(16))
        picture.append(3, header[25] == 0 ? 1 : header[25] == 6 ? 4 : 3)
        picture.append(4, Array(bytes))
        entry.append(4, picture.bytes)
      case .histogram(let numbers):
        guard let histogram = Self.histogram(numbers) else { continue }
        entry.append(5, histogram.bytes)
      }
      summary.append(1, entry.bytes)
    }
    message.append(5, summary.bytes)
  }

  /// A HistogramProto: its parts end at their limits, which belong to them.
  private static func histogram(_ numbers: [Double]) -> ProtocolBuffer? {
    // The sum of squares is a part of it.
    let numbers = numbers.filter { abs($0) < 1e150 }
    guard let least = numbers.min(), let largest = numbers.max() else { return nil }
    let parts = 30
    var counts = [Double](repeating: 0, count: parts)
    let width = max((largest - least) / Double(parts), .leastNormalMagnitude)
    for number in numbers {
      counts[min(parts - 1, max(0, Int(((number - least) / width).rounded(.up)) - 1))] += 1
    }
    var limits = (1...parts).map { least + width * Double($0) }
    limits[parts - 1] = max(largest, limits[parts - 1])
    var histogram = ProtocolBuffer()
    histogram.append(1, least)
    histogram.append(2, largest)
    histogram.append(3, Double(numbers.count))
    histogram.append(4, numbers.reduce(0, +))
    histogram.append(5, numbers.reduce(0) { $0 + $1 * $1 })
    histogram.append(6, limits)
    histogram.append(7, counts)
    return histogram
  }

  /// What every file begins with.
  package init(versionAt time: Double) {
    message.append(1, time)
    message.append(3, "brain.Event:2")
  }

  /// The event as a file holds it: its length, the checksum of the length, itself, and its checksum.
  package var record: [UInt8] {
    func little(_ value: some FixedWidthInteger) -> [UInt8] {
      withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
    let length = little(UInt64(message.bytes.count))
    return length + little(CRC32C.masked(of: length)) + message.bytes
      + little(CRC32C.masked(of: message.bytes))
  }
}

/// A message of protocol buffers that grows field by field (protobuf.dev, "Encoding").
private struct ProtocolBuffer {
  var bytes: [UInt8] = []

  private mutating func append(tag field: Int, wireType: Int) {
    append(varint: UInt64(field << 3 | wireType))
  }

  private mutating func append(varint value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  mutating func append(_ field: Int, _ value: Int) {
    append(tag: field, wireType: 0)
    append(varint: UInt64(bitPattern: Int64(value)))
  }

  mutating func append(_ field: Int, _ value: Double) {
    append(tag: field, wireType: 1)
    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 }
  }

  mutating func append(_ field: Int, _ value: Float) {
    append(tag: field, wireType: 5)
    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 }
  }

  mutating func append(_ field: Int, _ values: [Double]) {
    append(
      field,
      values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } })
  }

  mutating func append(_ field: Int, _ text: String) { append(field, Array(text.utf8)) }

  mutating func append(_ field: Int, _ content: [UInt8]) {
    append(tag: field, wireType: 2)
    append(varint: UInt64(content.count))
    bytes += content
  }
}
