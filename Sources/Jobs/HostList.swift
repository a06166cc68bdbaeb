// The hosts that a file names.

import Storage

/// The lines of a host file of Open MPI, as far as they count.
public struct HostList: Equatable, Sendable {
  /// The names of the hosts, each once.
  public let names: [String]
  /// How many they are.
  public var count: Int { names.count }

  /// Reads a file.
  ///
  /// - Throws: `StorageError` for what is no such file, and for one that names no host.
  public init(file path: String) throws(StorageError) {
    let bytes = try readSmallFile(path, role: "a file of hosts", limit: 1 << 20)
    self.init(text: String(decoding: bytes, as: UTF8.self))
    guard !names.isEmpty else {
      throw .badData(path: path, reason: "names no host; give a line for each, as 'node1 slots=2'")
    }
  }

  /// Reads a text: a host a line, what follows # is a remark.
  init(text: String) {
    var names: [String] = []
    for line in text.split(whereSeparator: \.isNewline) {
      let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
      guard let name = words.first.map(String.init), !names.contains(name) else { continue }
      names.append(name)
    }
    self.names = names
  }
}
