// The starts of a run, and what each of them has changed.

import Foundation
import Storage

/// `history.jsonl`: one JSON object for each start of a run.
package struct RunHistory {
  /// One start.
  package struct Start: Codable, Equatable {
    /// When it was, ISO 8601.
    package var date: String
    /// The program and its version.
    package var program: String
    /// The number of ranks.
    package var ranks: Int
    /// The names of the nodes.
    package var hosts: [String]
    /// The worker threads of the first rank.
    package var workers: Int
    /// The number of steps done before it.
    package var step: Int
    /// The checksum of the images.
    package var images: String
    /// Where the weights come from that the run began with; nil where they were drawn, and at later
    /// starts.
    package var initialWeights: String?
    /// What is not as at the start before: the old and the new value of each setting.
    package var changed: [String: [String]]
    /// Every setting.
    package var settings: [String: String]
    /// The command line; nil where an earlier program has not told it.
    package var command: String?

    /// A start.
    package init(
      date: String, program: String, ranks: Int, hosts: [String], workers: Int, step: Int,
      images: String, initialWeights: String? = nil, changed: [String: [String]],
      settings: [String: String], command: String? = nil
    ) {
      (self.date, self.program, self.ranks, self.hosts) = (date, program, ranks, hosts)
      (self.workers, self.step, self.images) = (workers, step, images)
      self.initialWeights = initialWeights
      (self.changed, self.settings, self.command) = (changed, settings, command)
    }
  }

  private let path: String
  private let bytes: [UInt8]

  /// The last start that the file tells of; nil where there is none.
  package let last: Start?

  /// Reads a history, which need not exist yet. Lines that are no starts are kept, and not read.
  ///
  /// - Throws: `StorageError.inputOutput` where it cannot be read.
  package init(path: String) throws(StorageError) {
    self.path = path
    bytes = try AtomicFile.contents(of: path) ?? []
    let lines = bytes.split(separator: UInt8(ascii: "\n"))
    last =
      lines.reversed().lazy
      .compactMap { try? JSONDecoder().decode(Start.self, from: Data($0)) }.first
  }

  /// The starts that a file tells of, from the first; lines that are none are passed over.
  ///
  /// - Throws: `StorageError.inputOutput` where it cannot be read.
  package static func starts(path: String) throws(StorageError) -> [Start] {
    let bytes = try AtomicFile.contents(of: path) ?? []
    return bytes.split(separator: UInt8(ascii: "\n"))
      .compactMap { try? JSONDecoder().decode(Start.self, from: Data($0)) }
  }

  /// Writes the history with one start more.
  ///
  /// - Throws: `StorageError`; the old file stays then.
  package func append(_ start: Start) throws(StorageError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let line = try? encoder.encode(start) else {
      preconditionFailure("Texts and whole numbers can always be written.")
    }
    let end: [UInt8] = bytes.isEmpty || bytes.last == UInt8(ascii: "\n") ? [] : Array("\n".utf8)
    try AtomicFile.write(bytes + end + line + Array("\n".utf8), to: path)
  }

  /// The settings that have another value now: the old and the new one.
  package static func changes(
    from old: [String: String], to new: [String: String]
  ) -> [String: [String]] {
    new.reduce(into: [:]) { changes, setting in
      guard let before = old[setting.key], before != setting.value else { return }
      changes[setting.key] = [before, setting.value]
    }
  }
}

extension Configuration {
  /// Every setting as it would stand in a YAML file, by its key.
  package var texts: [String: String] {
    Dictionary(uniqueKeysWithValues: Self.settings.map { ($0.key, $0.value(in: self)) })
  }
}
