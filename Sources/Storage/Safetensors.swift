// Weights of other programs: named tensors in one file.

import Foundation
import Glibc

/// A safetensors file: a header of names, types, extents and places, and then the scalars.
///
/// The file is eight bytes with the length of the header, little-endian; the header, in JSON; and all
/// tensors one after the other in row-major order, little-endian, without gaps. Nothing of it is
/// executed, and no memory is taken that the file itself does not fill.
public struct Safetensors: ~Copyable {
  /// What is known of a tensor before it is read.
  public struct Entry: Equatable, Sendable {
    /// How its scalars are stored: `F32`, for example.
    public let type: String
    /// Its extents, slowest first; none for a single scalar.
    public let shape: [Int]
    /// Where its bytes are, counted from the end of the header.
    let bytes: Range<Int>

    /// The number of its scalars.
    var count: Int { shape.reduce(1, *) }
  }

  /// The most bytes of a header: those of a hundred thousand tensors.
  private static let longestHeader = 16 << 20
  /// The bytes of a scalar of each type that is known.
  private static let sizes = [
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2,
    "BF16": 2, "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
  ]

  /// The tensors by their names.
  public let entries: [String: Entry]
  /// What the file says beside its tensors.
  public let metadata: [String: String]
  /// The name that the file was opened by.
  public let path: String
  private let descriptor: Descriptor
  private let start: Int

  /// Opens a file and checks its header against its size.
  ///
  /// - Throws: `.missingInput` where there is no readable file, `.badData` for one that is no
  ///   safetensors file, has ended too early or contradicts itself, `.inputOutput`.
  public init(path: String) throws(StorageError) {
    let size = try requireFile(path, role: "a safetensors file")
    let descriptor = try Self.open(path)
    let head = try Self.read(0..<8, of: descriptor, path)
    let length = head.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard head.count == 8, length >= 2, length <= UInt64(size - 8) else {
      throw .badData(
        path: path,
        reason: "is not a safetensors file, or one that has ended too early; fetch it again")
    }
    guard length <= UInt64(Self.longestHeader) else {
      throw .badData(
        path: path,
        reason: "has a header of more than \(Self.longestHeader >> 20) MiB, the most that is read")
    }
    let start = 8 + Int(length)
    let text = try Self.read(8..<start, of: descriptor, path)
    let header: Header
    do {
      guard text.first == UInt8(ascii: "{") else { throw HeaderFault("does not begin with {") }
      header = try JSONDecoder().decode(Header.self, from: Data(text))
    } catch {
      let reason = (error as? HeaderFault)?.description ?? "is not the JSON that it must be"
      throw .badData(
        path: path,
        reason: "is not a safetensors file, or is damaged: its header \(reason); fetch it again")
    }
    if let defect = Self.defect(of: header.entries, size: size - start) {
      throw .badData(path: path, reason: "is damaged: \(defect); fetch it again")
    }
    (self.path, self.start) = (path, start)
    (entries, metadata) = (header.entries, header.metadata)
    self.descriptor = descriptor
  }

  private static func open(_ path: String) throws(StorageError) -> Descriptor {
    do throws(SystemFailure) { return try Descriptor(path, O_RDONLY) } catch {
      throw .missingInput(path: path, reason: "cannot be read: \(error.reason)")
    }
  }

  /// Bytes of the file, fewer where it ends before.
  private static func read(
    _ range: Range<Int>, of descriptor: borrowing Descriptor, _ path: String
  ) throws(StorageError) -> [UInt8] {
    do throws(SystemFailure) { return try descriptor.read(range) } catch {
      throw .inputOutput(path: path, reason: "cannot be read: \(error.reason)")
    }
  }

  /// What contradicts itself in a header of tensors, in a file that has `size` bytes behind it.
  private static func defect(of entries: [String: Entry], size: Int) -> String? {
    // Where all follow each other from the first byte to the last, none overlap and none are outside.
    var end = 0
    let order = entries.sorted {
      ($0.value.bytes.lowerBound, $0.value.bytes.upperBound, $0.key)
        < ($1.value.bytes.lowerBound, $1.value.bytes.upperBound, $1.key)
    }
    for (name, entry) in order {
      let name = shortened(name)
      guard entry.bytes.lowerBound == end else {
        return "the tensor \(name) begins at byte \(entry.bytes.lowerBound), where those before it "
          + "end at \(end)"
      }
      end = entry.bytes.upperBound
      var count = 1
      for extent in entry.shape {
        let product = count.multipliedReportingOverflow(by: extent)
        guard extent >= 0, !product.overflow else {
          return "the tensor \(name) has extents that nothing can have"
        }
        count = product.partialValue
      }
      guard let bytes = sizes[entry.type] else { continue }
      guard case (let length, false) = count.multipliedReportingOverflow(by: bytes),
        length == entry.bytes.count
      else {
        return "the tensor \(name) has \(entry.bytes.count) bytes, which its extents do not fill"
      }
    }
    guard end == size else {
      return "its tensors end at byte \(end), the file at \(size) behind its header"
    }
    return nil
  }

  /// The extents of all tensors.
  public var shapes: [String: [Int]] { entries.mapValues(\.shape) }

  /// The scalars of a tensor, in row-major order: of F32 as they are, of F16 and BF16 exactly too.
  ///
  /// - Throws: `.badData` where there is no such tensor, or one of other scalars, or one that holds
  ///   NaN or infinities; `.inputOutput`.
  public func values(_ name: String) throws(StorageError) -> [Float] {
    guard let entry = entries[name] else {
      throw .badData(path: path, reason: "holds no tensor \(name)")
    }
    guard ["F32", "F16", "BF16"].contains(entry.type) else {
      throw .badData(
        path: path,
        reason: "holds the tensor \(name) as \(Self.shortened(entry.type)); only F32, F16 and BF16 "
          + "are read")
    }
    let place = entry.bytes.lowerBound + start..<entry.bytes.upperBound + start
    let bytes = try Self.read(place, of: descriptor, path)
    guard bytes.count == entry.bytes.count else {
      throw .badData(path: path, reason: "has become shorter while it was read")
    }
    let values = bytes.withUnsafeBytes { bytes in
      func word(_ i: Int) -> UInt16 {
        UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self))
      }
      return switch entry.type {
      case "F32":
        (0..<entry.count).map {
          Float(
            bitPattern: UInt32(
              littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
        }
      case "F16": (0..<entry.count).map { Float(Float16(bitPattern: word($0))) }
      default: (0..<entry.count).map { Float(bitPattern: UInt32(word($0)) << 16) }
      }
    }
    guard values.allSatisfy(\.isFinite) else {
      throw .badData(path: path, reason: "holds NaN or infinities in the tensor \(name)")
    }
    return values
  }

  /// A name as a message can hold it.
  private static func shortened(_ name: String) -> String {
    name.count > 80 ? "\(name.prefix(80))…" : name
  }
}

/// Why a header is none.
private struct HeaderFault: Error {
  let description: String

  init(_ description: String) { self.description = description }
}

/// The header as it stands in the file.
private struct Header: Decodable {
  /// One tensor of it.
  private struct Record: Decodable {
    let dtype: String
    let shape: [Int]
    let data_offsets: [Int]
  }

  /// Any name at all.
  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  let entries: [String: Safetensors.Entry]
  let metadata: [String: String]

  init(from decoder: Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    var entries: [String: Safetensors.Entry] = [:]
    var metadata: [String: String] = [:]
    for key in container.allKeys {
      if key.stringValue == "__metadata__" {
        metadata = try container.decode([String: String].self, forKey: key)
        continue
      }
      let record = try container.decode(Record.self, forKey: key)
      let offsets = record.data_offsets
      guard offsets.count == 2, offsets[0] >= 0, offsets[0] <= offsets[1] else {
        throw HeaderFault("says of a tensor that it ends before it begins")
      }
      guard offsets[1] <= 1 << 50 else { throw HeaderFault("says of a tensor that it is too far") }
      entries[key.stringValue] = Safetensors.Entry(
        type: record.dtype, shape: record.shape, bytes: offsets[0]..<offsets[1])
    }
    (self.entries, self.metadata) = (entries, metadata)
  }
}
