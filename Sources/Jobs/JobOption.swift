// The options of a job: one list for the command line and for files of defaults.

import Foundation
import Training

/// An option of a job, and how its words become part of a request.
public struct JobOption: Sendable {
  /// A value that an option cannot take, as the end of a sentence: "needs a whole number".
  struct Mismatch: Error { let reason: String }

  /// The key in files of defaults: the option's name with underscores.
  public let key: String
  let apply: @Sendable (inout JobRequest, [String]) throws(Mismatch) -> Void

  /// The option on the command line, without its dashes.
  public var name: String { key.replacing("_", with: "-") }

  /// Every option.
  public static let all: [JobOption] = [
    integer("nodes", \.nodes), integer("ranks_per_node", \.ranksPerNode),
    integer("ranks_per_socket", \.ranksPerSocket), cores, integer("sockets", \.sockets),
    time,
    text("partition", \.partition), text("account", \.account), text("qos", \.qos),
    text("constraint", \.constraint), text("reservation", \.reservation), memory,
    text("mail", \.mail), name, text("log", \.log), truth("exclusive") { $0.isExclusive = $1 },
    array, chain, truth("requeue") { $0.requeues = $1 }, warning, modules,
    list("setup", \.setup), environment, text("container", \.container), launcher,
    list("extra", \.extra), list("skip", \.skipped), text("program", \.program),
    text("parallel_environment", \.parallelEnvironment), text("hostfile", \.hostFile),
  ]

  // MARK: Kinds

  private static func one(_ words: [String]) throws(Mismatch) -> String {
    guard words.count == 1 else { throw Mismatch(reason: "needs one value") }
    guard !words[0].isEmpty else { throw Mismatch(reason: "needs a value that is not empty") }
    return words[0]
  }

  private static func text(
    _ key: String, _ path: any WritableKeyPath<JobRequest, String?> & Sendable
  ) -> JobOption {
    JobOption(key: key) { (request, words) throws(Mismatch) in
      request[keyPath: path] = try one(words)
    }
  }

  private static func count(_ words: [String], upTo limit: Int) throws(Mismatch) -> Int {
    guard let value = Int(try one(words)), 1...limit ~= value else {
      throw Mismatch(reason: "needs a whole number from 1 to \(limit)")
    }
    return value
  }

  private static func integer(
    _ key: String, _ path: any WritableKeyPath<JobRequest, Int?> & Sendable
  ) -> JobOption {
    JobOption(key: key) { (request, words) throws(Mismatch) in
      request[keyPath: path] = try count(words, upTo: 65_536)
    }
  }

  private static func truth(
    _ key: String, _ assign: @escaping @Sendable (inout JobRequest, Bool) -> Void
  ) -> JobOption {
    JobOption(key: key) { (request, words) throws(Mismatch) in
      guard let value = Bool(try one(words)) else { throw Mismatch(reason: "needs true or false") }
      assign(&request, value)
    }
  }

  private static func list(
    _ key: String, _ path: any WritableKeyPath<JobRequest, [String]> & Sendable
  ) -> JobOption {
    JobOption(key: key) { (request, words) in request[keyPath: path] = words }
  }

  // MARK: Those of their own kind

  private static let name = JobOption(key: "name") { (request, words) throws(Mismatch) in
    request.name = try one(words)
  }

  private static let time = JobOption(key: "time") { (request, words) throws(Mismatch) in
    guard let value = TimeLimit.seconds(try one(words)) else {
      throw Mismatch(
        reason: "needs minutes, minutes:seconds, hours:minutes:seconds or "
          + "days-hours:minutes:seconds")
    }
    request.time = Int(value)
  }

  private static let cores = JobOption(key: "cores") { (request, words) throws(Mismatch) in
    if words == ["here"] {
      request.cores = .here
    } else if words.count == 1, let value = Int(words[0]), 1...65_536 ~= value {
      request.cores = .count(value)
    } else {
      throw Mismatch(reason: "needs a whole number from 1 to 65536, or 'here'")
    }
  }

  private static let memory = JobOption(key: "mem") { (request, words) throws(Mismatch) in
    let text = try one(words).uppercased()
    let units: [Character: Int] = ["M": 1, "G": 1 << 10, "T": 1 << 20]
    guard let unit = text.last.flatMap({ units[$0] }), let value = Int(text.dropLast()),
      1...1_000_000 ~= value
    else {
      throw Mismatch(reason: "needs a whole number with M, G or T behind it, as in 64G")
    }
    request.memory = value * unit
  }

  private static let chain = JobOption(key: "chain") { (request, words) throws(Mismatch) in
    request.links = try count(words, upTo: 1000)
  }

  private static let warning = JobOption(key: "warn_before") { (request, words) throws(Mismatch) in
    request.warning = try count(words, upTo: 86_400)
  }

  private static let launcher = JobOption(key: "launcher") { (request, words) throws(Mismatch) in
    guard let value = JobRequest.Launcher(rawValue: try one(words)) else {
      throw Mismatch(reason: "needs mpirun or srun")
    }
    request.launcher = value
  }

  private static let modules = JobOption(key: "modules") { (request, words) in
    request.modules = words.flatMap { $0.split(whereSeparator: \.isWhitespace).map(String.init) }
  }

  private static let environment = JobOption(key: "env") { (request, words) throws(Mismatch) in
    for word in words {
      let name = word.prefix { $0 != "=" }
      guard word.contains("="), let first = name.unicodeScalars.first,
        !("0"..."9").contains(first),
        name.unicodeScalars.allSatisfy({
          $0.isASCII && ($0.properties.isAlphabetic || ("0"..."9").contains($0) || $0 == "_")
        })
      else { throw Mismatch(reason: "needs NAME=value, the name of letters, digits and _") }
    }
    request.environment = words
  }

  private static let array = JobOption(key: "array") { (request, words) throws(Mismatch) in
    let reason =
      "needs seed=FIRST-LAST, or seed=FIRST-LAST%N for N jobs at a time, as in seed=1-8%2"
    let text = try one(words)
    guard text.hasPrefix("seed=") else { throw Mismatch(reason: reason) }
    let parts = text.dropFirst(5).split(separator: "%", omittingEmptySubsequences: false)
    let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false).map(number)
    guard parts.count <= 2, ends.count == 2, let first = ends[0], let last = ends[1], first < last,
      last - first < 10_000
    else { throw Mismatch(reason: reason) }
    let limit = parts.count == 2 ? number(parts[1]) : nil
    guard parts.count == 1 || limit ?? 0 > 0 else { throw Mismatch(reason: reason) }
    request.seeds = .init(range: first...last, limit: limit)
  }

  private static func number(_ text: Substring) -> Int? {
    guard (1...9).contains(text.count), text.allSatisfy({ $0.isASCII && $0.isNumber }) else {
      return nil
    }
    return Int(text)
  }
}
