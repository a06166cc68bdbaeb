// How far a long piece of work is.

import Foundation
import Synchronization

/// A line on stderr that says how far a long piece of work is.
///
/// On a terminal, that of mpirun too, the line is drawn again in place; elsewhere, as in a batch job's log, a
/// new line is written, at first after five seconds and later once a minute. Any thread may report.
public final class Progress: Sendable {
  private struct State {
    var lastDrawn: ContinuousClock.Instant?
    var width = 0
    /// How long the next line of a log waits.
    var pause = Progress.firstPause
  }

  private static let (firstPause, longestPause) = (Duration.seconds(5), Duration.seconds(60))

  private let isTerminal = StandardStreams.isSeenByPeople
  private let isSilent: Bool
  private let state = Mutex(State())

  /// A progress line.
  ///
  /// - Parameter isSilent: Whether nothing is shown, as on all ranks but the first.
  public init(isSilent: Bool = false) { self.isSilent = isSilent }

  /// Shows a text, if it is time for one.
  ///
  /// - Parameters:
  ///   - isLast: Whether this is the end of the work, which is always shown.
  ///   - text: The line, made only when it is shown.
  public func show(isLast: Bool = false, _ text: () -> String) {
    let style = LogStyle.current
    guard !isSilent, !style.isQuiet else { return }
    let isTerminal = isTerminal && !style.isJSON
    state.withLock { state in
      let now = ContinuousClock.now
      let pause = isTerminal ? .milliseconds(100) : state.pause
      if !isLast, let last = state.lastDrawn, now - last < pause { return }
      if state.lastDrawn != nil { state.pause = min(state.pause * 3 / 2, Self.longestPause) }
      state.lastDrawn = now
      var line = text()
      if style.isJSON { return StandardStreams.tell(ShortLog.json("progress", line)) }
      if isTerminal {
        let width = line.count
        line += String(repeating: " ", count: max(0, state.width - width))
        state.width = width
      }
      if !isTerminal { line = "\(ShortLog.time) \(line)" }
      StandardStreams.tell(line + (isTerminal && !isLast ? "" : "\n"), inPlace: isTerminal)
      if isLast { (state.width, state.lastDrawn) = (0, isTerminal ? nil : now) }
    }
  }

  /// Ends a line drawn in place, so that other text can follow.
  public func interrupt() {
    guard !isSilent, isTerminal else { return }
    state.withLock { state in
      if state.width > 0 { StandardStreams.tell("\n") }
      state = State()
    }
  }

  /// A bar for a share between 0 and 1, as in "[#####.....]".
  public static func bar(_ share: Double, width: Int = 24) -> String {
    // In this order `max` and `min` turn a share that is not a number into 0.
    let filled = Int((min(1, max(0, share)) * Double(width)).rounded(.down))
    return "[" + String(repeating: "#", count: filled)
      + String(repeating: ".", count: width - filled) + "]"
  }

  /// A length of time, as in "42 s", "3 min 05 s" or "2 h 07 min".
  public static func duration(_ seconds: Double) -> String {
    guard (0..<1e12).contains(seconds) else { return "?" }
    let total = Int(seconds.rounded())
    func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
    if total < 60 { return "\(total) s" }
    if total < 3600 { return "\(total / 60) min \(two(total % 60)) s" }
    return "\(total / 3600) h \(two(total % 3600 / 60)) min"
  }
}
