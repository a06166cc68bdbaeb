// Options of commands that work for long: --quiet and --log-format.

import ArgumentParser
import Training

/// What a command says while it works.
struct LogOptions: ParsableArguments {
  /// How messages look.
  enum Format: String, ExpressibleByArgument, CaseIterable { case text, json }

  @Flag(help: "Say warnings and errors only.")
  var quiet = false
  @Option(help: "Messages on stderr as text, or each as a JSON object in a line.")
  var logFormat = Format.text

  /// Makes it so.
  func apply() {
    var style = LogStyle()
    (style.isQuiet, style.isJSON) = (quiet, logFormat == .json)
    LogStyle.current = style
  }
}
