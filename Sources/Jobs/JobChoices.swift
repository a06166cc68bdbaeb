// What is chosen for a job: the command line, the user's defaults, those of the cluster.

import Foundation
import Storage
import Training
import Yams

/// The options that are given for a job, each with where it was said; the last one counts.
public struct JobChoices: Sendable {
  /// One option as it was given.
  public struct Choice: Sendable {
    /// The key of the option.
    public let key: String
    /// Its words.
    public let words: [String]
    /// Where it was said: `--nodes 2`, or `/etc/ddpm-dist/job.yaml:3`.
    public let source: String

    /// An option of the command line.
    ///
    /// - Parameters:
    ///   - key: As in `JobOption.all`.
    ///   - words: Its words.
    public init(key: String, words: [String]) {
      let name = "--" + key.replacing("_", with: "-")
      self.init(key: key, words: words, source: "\(name) \(words.joined(separator: " "))")
    }

    init(key: String, words: [String], source: String) {
      (self.key, self.words, self.source) = (key, words, source)
    }
  }

  /// Those that count, by their keys.
  private var choices: [String: Choice] = [:]
  /// The files that were read.
  public private(set) var files: [String] = []

  /// Nothing chosen.
  public init() {}

  /// Where defaults may stand, the more general ones first.
  public static func defaultFiles(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) -> [String] {
    var folders = ["/etc"]
    if let folder = environment["XDG_CONFIG_HOME"], folder.hasPrefix("/") {
      folders.append(folder)
    } else if let home = environment["HOME"], home.hasPrefix("/") {
      folders.append(home + "/.config")
    }
    return folders.map { $0 + "/ddpm-dist/job.yaml" }
  }

  /// Takes the options of a file over those that are there; a file that does not exist says nothing.
  ///
  /// - Throws: `StorageError`; `JobError` with the line of the first key that cannot be used.
  public mutating func add(file path: String) throws {
    guard let bytes = try AtomicFile.contents(of: path) else { return }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw JobError.option(source: path, reason: "is not a text in UTF-8")
    }
    try add(yaml: text, source: path)
    files.append(path)
  }

  /// Takes the options of a text over those that are there.
  mutating func add(yaml: String, source: String) throws(JobError) {
    let root: Node?
    do {
      root = try Yams.compose(yaml: yaml)
    } catch {
      throw .option(source: source, reason: "is no YAML: \(error)")
    }
    guard let root, root.scalar.map({ !$0.string.isEmpty }) ?? true else { return }
    guard let mapping = root.mapping else {
      throw .option(source: source, reason: "needs lines of the form 'key: value'")
    }
    var found: Set<String> = []
    for (node, value) in mapping {
      let line = node.mark.map { "\(source):\($0.line)" } ?? source
      // As on the command line, a queue is a partition.
      let key = node.string == "queue" ? "partition" : node.string ?? ""
      guard found.insert(key).inserted else {
        throw .option(source: line, reason: "'\(key)' is given twice")
      }
      guard let words = Self.words(of: value) else {
        throw .option(source: line, reason: "'\(key)' needs a value, or a list of values")
      }
      try add(Choice(key: key, words: words, source: line))
    }
  }

  /// Takes one option over what was there.
  ///
  /// - Throws: `JobError` for an unknown key, and for words that the option cannot take.
  public mutating func add(_ choice: Choice) throws(JobError) {
    guard let option = JobOption.all.first(where: { $0.key == choice.key }) else {
      let near = suggestion(for: choice.key, among: JobOption.all.map(\.key))
      throw .option(
        source: choice.source,
        reason: "there is no option '\(choice.key)'"
          + (near.map { "; did you mean '\($0)'?" } ?? ""))
    }
    var unused = JobRequest()
    try Self.apply(option, choice, to: &unused)
    choices[choice.key] = choice
  }

  /// The request that they make.
  ///
  /// - Parameter keys: Options that the scheduler has no word for: defaults of a cluster are for whatever
  ///   scheduler can follow them.
  public func request(without keys: some Collection<String> = []) -> JobRequest {
    var request = JobRequest()
    for option in JobOption.all where !keys.contains(option.key) {
      guard let choice = choices[option.key] else { continue }
      do throws(JobError) {
        try Self.apply(option, choice, to: &request)
      } catch {
        preconditionFailure("A choice was taken that cannot be followed: \(error)")
      }
    }
    return request
  }

  /// Where an option was said; nil where it was not.
  public func source(of key: String) -> String? { choices[key]?.source }

  /// Every option that is given, in the order of the list: its key, its words, and where it was said.
  public var given: [Choice] { JobOption.all.compactMap { choices[$0.key] } }

  private static func apply(
    _ option: JobOption, _ choice: Choice, to request: inout JobRequest
  ) throws(JobError) {
    do throws(JobOption.Mismatch) {
      try option.apply(&request, choice.words)
    } catch {
      throw .option(
        source: choice.source,
        reason: (choice.source.hasPrefix("--") ? "" : "'\(choice.key)' ") + error.reason)
    }
  }

  /// The words of a value: itself, those of a list, or of a map those of `NAME=value`.
  private static func words(of node: Node) -> [String]? {
    if let scalar = node.scalar { return [scalar.string] }
    if let sequence = node.sequence {
      let words = sequence.compactMap { $0.scalar?.string }
      return words.count == sequence.count ? words : nil
    }
    let pairs = node.mapping.map { Array($0) } ?? []
    let words = pairs.compactMap { pair in
      pair.key.scalar.flatMap { key in pair.value.scalar.map { "\(key.string)=\($0.string)" } }
    }
    return words.count == pairs.count && !words.isEmpty ? words : nil
  }
}
