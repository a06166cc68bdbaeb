// Weights for other programs: named tensors of F32 in one file.

import Foundation
import Glibc

extension Safetensors {
  /// A tensor to be written.
  public struct Tensor: Sendable {
    /// Its name.
    public let name: String
    /// Its extents, slowest first; none for a single scalar.
    public let shape: [Int]

    /// A tensor of a name and extents that are not negative.
    public init(name: String, shape: [Int]) {
      precondition(shape.allSatisfy { $0 >= 0 }, "Extents are not negative.")
      (self.name, self.shape) = (name, shape)
    }
  }

  /// How a tensor stands in the header.
  private struct Record: Encodable {
    let data_offsets: [Int]
    let dtype = "F32"
    let shape: [Int]
  }

  /// An entry of the header: a tensor, or what the file says beside them.
  private enum Item: Encodable {
    case tensor(Record)
    case metadata([String: String])

    func encode(to encoder: Encoder) throws {
      switch self {
      case .tensor(let record): try record.encode(to: encoder)
      case .metadata(let texts): try texts.encode(to: encoder)
      }
    }
  }

  /// Writes tensors to a path; the old file stays until the new one is durable.
  ///
  /// The tensors follow each other by the bytes of their names, the header is padded to a multiple of
  /// eight bytes: equal contents give equal bytes, in the order of the format's own writer. Only one
  /// tensor at a time is in memory.
  ///
  /// - Parameters:
  ///   - tensors: All of them, in any order; no name stands twice.
  ///   - metadata: What the file says beside them.
  ///   - path: The file.
  ///   - values: The scalars of a tensor, in row-major order.
  /// - Throws: `.cannotCreate` and `.inputOutput` as `AtomicFile.write`.
  public static func write(
    _ tensors: [Tensor], metadata: [String: String] = [:], to path: String,
    values: (Tensor) -> [Float]
  ) throws(StorageError) {
    let tensors = tensors.sorted { Array($0.name.utf8).lexicographicallyPrecedes($1.name.utf8) }
    var items: [String: Item] = metadata.isEmpty ? [:] : ["__metadata__": .metadata(metadata)]
    var end = 0
    for tensor in tensors {
      let begin = end
      end += 4 * tensor.shape.reduce(1, *)
      let item = Item.tensor(Record(data_offsets: [begin, end], shape: tensor.shape))
      precondition(
        items.updateValue(item, forKey: tensor.name) == nil, "No name of a tensor stands twice.")
    }
    let file = try TemporaryFile(for: path)
    do throws(SystemFailure) {
      let output = try Descriptor(file.path, O_WRONLY)
      let header = header(items)
      try output.write(header, at: 0)
      var place = header.count
      for tensor in tensors {
        let scalars = values(tensor)
        precondition(
          scalars.count == tensor.shape.reduce(1, *), "The scalars must fill the extents.")
        try output.write(scalars.map(\.bitPattern.littleEndian), at: place)
        place += 4 * scalars.count
      }
      try output.synchronize()
      try output.close()
    } catch {
      throw .inputOutput(path: path, reason: "cannot write the file: \(error.reason)")
    }
    try file.publish()
  }

  /// The length of the header, and the header.
  private static func header(_ items: [String: Item]) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard var text = try? Array(encoder.encode(items)) else {
      preconditionFailure("Texts and whole numbers can always be written.")
    }
    text += Array(repeating: UInt8(ascii: " "), count: (8 - text.count % 8) % 8)
    return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
  }
}
