// The lines of text files, one at a time.

/// The lines of a file that is read from its beginning, gzip'd or not.
///
/// A byte-order mark is passed over. No more than a line, and what was read with it, is kept in memory.
struct InputLines: ~Copyable {
  /// The number of the line in hand, counted from 1.
  private(set) var number = 0
  /// What was read of the file: the line in hand, a part of the next, or more.
  private(set) var bytes: [UInt8] = []

  private let path: String
  private let longest: Int
  /// The file; nil where all of its bytes are at hand.
  private var file: InputFile?
  private var isAtEnd = false
  /// Where the next line begins in `bytes`.
  private var start = 0

  /// Opens a file.
  ///
  /// - Parameter longest: The most bytes of a line; longer ones are refused.
  init(path: String, longest: Int) throws(StorageError) {
    self.path = path
    self.longest = longest
    file = try InputFile(path: path)
  }

  /// The lines of bytes at hand.
  ///
  /// - Parameter path: Where they are from, for messages.
  init(bytes: [UInt8], path: String, longest: Int) {
    (self.path, self.longest, self.bytes) = (path, longest, bytes)
    file = nil
    isAtEnd = true
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { start = 3 }
  }

  /// Where the next line is in `bytes`, without its end; nil at the end of the file.
  mutating func next() throws(StorageError) -> Range<Int>? {
    number += 1
    var searched = start
    while true {
      if let end = bytes[searched...].firstIndex(of: newline) {
        defer { start = end + 1 }
        return try checked(start..<end)
      }
      if isAtEnd {
        defer { start = bytes.count }
        return start < bytes.count ? try checked(start..<bytes.count) : nil
      }
      searched = bytes.count - start
      bytes.removeFirst(start)
      start = 0
      _ = try checked(0..<bytes.count)
      // So much that the bytes of a long line are not moved often.
      let wanted = max(1 << 16, bytes.count)
      let more = try file?.read(upTo: wanted) ?? []
      isAtEnd = more.count < wanted
      if number == 1, bytes.isEmpty, more.starts(with: [0xEF, 0xBB, 0xBF]) { start = 3 }
      bytes += more
    }
  }

  private func checked(_ range: Range<Int>) throws(StorageError) -> Range<Int> {
    guard range.count <= longest else {
      throw .badData(
        path: path,
        reason: "line \(number) is longer than \(longest >> 20) MiB, the most that is read")
    }
    return range
  }
}

private let newline = UInt8(ascii: "\n")
