// What the commands say on stderr while they work, and how.

import Foundation
import Logging
import Synchronization

/// How messages look, for the whole process.
public struct LogStyle: Sendable {
  /// Whether only warnings and errors are said, and no progress.
  public var isQuiet = false
  /// Whether each message is a JSON object, for programs that collect logs.
  public var isJSON = false

  /// Short lines for people.
  public init() {}

  private static let shared = Mutex(LogStyle())

  /// The style of this process; set before the first message.
  public static var current: LogStyle {
    get { shared.withLock { $0 } }
    set { shared.withLock { $0 = newValue } }
  }
}

/// Logs to stderr, each message in one line without control characters: `11:33:16 saved …`,
/// `11:33:16 warning: …`.
struct ShortLog: LogHandler {
  var metadata: Logger.Metadata = [:]
  var logLevel = Logger.Level.info

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let style = LogStyle.current
    guard !style.isQuiet || event.level >= .warning else { return }
    let message = event.message.description
    if style.isJSON { return StandardStreams.tell(Self.json("\(event.level)", message)) }
    let level = event.level >= .warning ? "\(event.level): " : ""
    StandardStreams.tell(
      "\(Self.time) \(level)\(message.escapingControls(keepingLines: false))\n")
  }

  /// The time of day, as lines begin with it.
  static var time: String {
    Date.now.formatted(
      .verbatim(
        "\(hour: .twoDigits(clock: .twentyFourHour, hourCycle: .zeroBased)):\(minute: .twoDigits):\(second: .twoDigits)",
        timeZone: .current, calendar: Calendar(identifier: .gregorian)))
  }

  /// A line for programs.
  static func json(_ level: String, _ message: String) -> String {
    struct Line: Encodable { let level, message, time: String }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let line = Line(
      level: level, message: message.escapingControls(keepingLines: false),
      time: Date.now.formatted(.iso8601))
    guard let bytes = try? encoder.encode(line) else {
      preconditionFailure("Texts can always be written.")
    }
    return String(decoding: bytes, as: UTF8.self) + "\n"
  }
}
