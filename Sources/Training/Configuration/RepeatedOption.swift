// Options that are given twice.

import Foundation

/// Options on a command line that are given twice, of which only one could have its way.
public enum RepeatedOption {
  /// What the argument parser says of a command.
  private struct Description: Decodable {
    struct Command: Decodable {
      let arguments: [Argument]?
    }

    struct Argument: Decodable {
      let kind: String
      let isRepeating: Bool
      let names: [Name]?
    }

    struct Name: Decodable {
      let kind: String
      let name: String
    }

    let command: Command
  }

  /// The sentence on the first option that is given twice though it takes one value; nil for none.
  ///
  /// - Parameters:
  ///   - arguments: The words of the command line, which the parser has accepted: a word that
  ///     begins with two dashes is no value then.
  ///   - help: The command's options, as `_dumpHelp()` of the argument parser describes them.
  public static func refusal(
    in arguments: some Sequence<String>, describedBy help: String
  ) -> String? {
    let singles = singleValued(help)
    var given: Set<Substring> = []
    // Behind "--" there are no options.
    for word in arguments.prefix(while: { $0 != "--" }) where word.hasPrefix("--") {
      let name = word.dropFirst(2).prefix { $0 != "=" }
      guard singles.contains(String(name)), !given.insert(name).inserted else { continue }
      return "--\(name) is given twice; give it once."
    }
    return nil
  }

  /// The names of the options that take one value.
  private static func singleValued(_ help: String) -> Set<String> {
    guard let description = try? JSONDecoder().decode(Description.self, from: Data(help.utf8))
    else { preconditionFailure("The argument parser describes its commands in another way.") }
    let options = (description.command.arguments ?? [])
      .filter { $0.kind == "option" && !$0.isRepeating }
    return Set(options.flatMap { $0.names ?? [] }.filter { $0.kind == "long" }.map(\.name))
  }
}
