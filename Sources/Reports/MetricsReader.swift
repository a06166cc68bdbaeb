// metrics.jsonl, read on from where it was left.

import Foundation
import Storage
import Training

/// Follows a log of metrics while somebody else appends to it: whole lines only, each once.
public struct MetricsReader {
  /// How much is read and decoded at once.
  private static let chunk = 4 << 20

  private let path: String
  /// How many bytes have been given out as lines.
  public private(set) var offset: UInt64
  /// Which file it is: a log that is written anew, as a resumed run does, is another one.
  private var file: UInt64?

  /// The log at a path, which need not exist yet.
  ///
  /// - Parameter offset: How many bytes of it are known already.
  public init(path: String, offset: UInt64 = 0) {
    self.path = path
    self.offset = offset
  }

  /// Reads a log up to a step, which it may have grown beyond.
  ///
  /// - Parameter body: Called with lines in their order, some at a time.
  /// - Throws: As `read`.
  static func read(
    _ path: String, upTo step: Int, _ body: ([MetricsLine]) throws -> Void
  ) throws {
    var reader = MetricsReader(path: path)
    try reader.read(isLast: { ($0.last?.step ?? 0) >= step }) { lines, _ in
      try body(lines.filter { $0.step <= step })
    }
  }

  /// Reads what is new.
  ///
  /// - Parameters:
  ///   - isLast: Whether no more are wanted after these lines.
  ///   - body: Called with lines in their order, some at a time, and whether the log begins anew with them.
  /// - Throws: `StorageError.inputOutput` where the log cannot be read; not where there is none.
  public mutating func read(
    isLast: ([MetricsLine]) -> Bool = { _ in false },
    _ body: (_ lines: [MetricsLine], _ beginsAnew: Bool) throws -> Void
  ) throws {
    var kind = stat()
    // int stat(const char *pathname, struct stat *statbuf): a pipe would be waited for.
    guard stat(path, &kind) == 0, kind.st_mode & S_IFMT == S_IFREG,
      let handle = FileHandle(forReadingAtPath: path)
    else { return }
    defer { try? handle.close() }
    do {
      var status = stat()
      // int fstat(int fd, struct stat *buf)
      guard fstat(handle.fileDescriptor, &status) == 0 else { return }
      var beginsAnew = false
      if let file, file != status.st_ino || UInt64(status.st_size) < offset {
        (offset, beginsAnew) = (0, true)
      }
      file = UInt64(status.st_ino)
      try handle.seek(toOffset: offset)
      var rest = Data()
      while let part = try handle.read(upToCount: Self.chunk), !part.isEmpty {
        rest += part
        guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else { continue }
        let whole = rest[rest.startIndex...end]
        offset += UInt64(whole.count)
        let lines = LogLines(whole).decoded { MetricsLine($0) }.compactMap(\.self)
        try body(lines, beginsAnew)
        beginsAnew = false
        if isLast(lines) { break }
        rest = Data(rest[(end + 1)...])
      }
      if beginsAnew { try body([], true) }
    } catch let error as CocoaError {
      throw StorageError.inputOutput(
        path: path, reason: "cannot be read: \(systemCause(of: error))")
    }
  }
}
