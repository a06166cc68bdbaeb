// The lines of a long log: found quickly, decoded on several threads.

import Foundation

/// Bytes with a text on each line, of which there may be hundreds of thousands.
package struct LogLines {
  private let bytes: Data
  /// Where each line that is not empty is, without its end, counted from the first byte.
  package let ranges: [Range<Int>]

  /// The lines of some bytes; the last may have no end.
  package init(_ bytes: Data) {
    self.bytes = Data(bytes)
    // `Data.split` asks for each byte by itself.
    ranges = self.bytes.withUnsafeBytes { buffer in
      var (ranges, start) = ([Range<Int>](), 0)
      while start < buffer.count {
        let rest = UnsafeRawBufferPointer(rebasing: buffer[start...])
        // void *memchr(const void *s, int c, size_t n)
        let end = memchr(rest.baseAddress!, 10, rest.count).map {
          rest.baseAddress!.distance(to: $0)
        }
        let length = end ?? rest.count
        if length > 0 { ranges.append(start..<start + length) }
        start += length + 1
      }
      return ranges
    }
  }

  /// What each line holds, in their order.
  ///
  /// - Parameter decode: Gives nil for a line that holds nothing of the kind; called on several threads.
  package func decoded<Content: Sendable>(
    _ decode: @Sendable (Data) -> Content?
  ) -> [Content?] {
    guard ranges.count > 256 else { return ranges.map { decode(bytes[$0]) } }
    let parts = ProcessInfo.processInfo.activeProcessorCount
    return [Content?](unsafeUninitializedCapacity: ranges.count) { decoded, count in
      // Each thread writes its own part.
      nonisolated(unsafe) let decoded = decoded
      DispatchQueue.concurrentPerform(iterations: parts) { part in
        for i in ranges.count * part / parts..<ranges.count * (part + 1) / parts {
          (decoded.baseAddress! + i).initialize(to: decode(bytes[ranges[i]]))
        }
      }
      count = ranges.count
    }
  }

  /// Reads a file, some whole lines at a time; the last may have no end.
  ///
  /// - Parameter body: Called with lines, and where in the file the first of their bytes is; gives false where
  ///   no more are wanted.
  /// - Returns: false only where nothing has this name.
  /// - Throws: `StorageError.inputOutput`.
  @discardableResult
  package static func read(
    _ path: String, _ body: (LogLines, Int) -> Bool
  ) throws(StorageError) -> Bool {
    if case .special = FileKind(path) {
      throw .inputOutput(path: path, reason: "is a device, a pipe or a socket, not a file")
    }
    do throws(SystemFailure) {
      let file = try Descriptor(path, O_RDONLY)
      var (rest, start, end) = (Data(), 0, 0)
      while true {
        let piece = try file.read(end..<end + (4 << 20))
        end += piece.count
        rest += piece
        let last = piece.isEmpty ? rest.indices.last : rest.lastIndex(of: UInt8(ascii: "\n"))
        guard let last else {
          if piece.isEmpty { return true }
          continue
        }
        guard body(LogLines(rest[...last]), start), !piece.isEmpty else { return true }
        start += last + 1
        rest = Data(rest[(last + 1)...])
      }
    } catch {
      if error.code == ENOENT { return false }
      throw .inputOutput(path: path, reason: "cannot be read: \(error.reason)")
    }
  }
}
