// The hosts that a file names.

import Storage

/// The lines of a host file of Open MPI, as far as they count.
public struct HostList: Equatable, Sendable {
  /// The names of the hosts, each once.
  public let names: [String]
  /// The ranks that a host takes at most, where its line says so.
  public let slots: [String: Int]
  /// How many they are.
  public var count: Int { names.count }

  /// Reads a file.
  ///
  /// - Throws: `StorageError` for what is no such file, and for one that names no host.
  public init(file path: String) throws(StorageError) {
    let bytes = try readSmallFile(path, role: "a file of hosts", limit: 1 << 20)
    do throws(LineFault) {
      try self.init(text: String(decoding: bytes, as: UTF8.self))
    } catch {
      throw .badData(path: path, reason: error.reason)
    }
    guard !names.isEmpty else {
      throw .badData(path: path, reason: "names no host; give a line for each, as 'node1 slots=2'")
    }
  }

  /// Reads a text: a host a line, what follows # is a remark.
  init(text: String) throws(LineFault) {
    var (names, slots): ([String], [String: Int]) = ([], [:])
    let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    for (number, line) in lines.enumerated() {
      let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace)
      guard let name = words.first.map(String.init) else { continue }
      guard name.utf8.allSatisfy({ (33...126).contains($0) }) else {
        throw LineFault(reason: "holds no host's name in line \(number + 1)")
      }
      if !names.contains(name) { names.append(name) }
      for word in words.dropFirst() where word.hasPrefix("slots=") {
        guard let count = Int(word.dropFirst(6)), count > 0 else {
          throw LineFault(reason: "says \"\(word)\" in line \(number + 1), which is no number")
        }
        slots[name, default: 0] += count
      }
    }
    (self.names, self.slots) = (names, slots)
  }

  /// What is wrong with a line.
  struct LineFault: Error {
    let reason: String
  }

  /// Why mpirun would not start so many ranks on each host; nil where it would.
  public func refusal(ranksPerNode: Int) -> String? {
    guard let name = names.first(where: { slots[$0] ?? ranksPerNode < ranksPerNode }) else {
      return nil
    }
    return "gives \(name) slots=\(slots[name]!), and there are \(ranksPerNode) ranks on each host"
  }
}
