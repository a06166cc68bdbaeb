// Configurations as text: YAML files and assignments.

import Foundation
import Yams

extension Configuration {
  /// Applies the settings of a YAML file.
  ///
  /// - Parameters:
  ///   - yaml: The text of the file: a map of settings and values.
  ///   - source: The name of the file, for messages.
  /// - Throws: `ConfigurationError` with the line of the first unknown, repeated or ill-typed key.
  public mutating func apply(yaml: String, source: String) throws(ConfigurationError) {
    let root: Node?
    do {
      root = try Yams.compose(yaml: yaml)
    } catch let error as YamlError {
      throw Self.error(error, yaml, source)
    } catch {
      throw ConfigurationError(source: source, reason: "\(error)")
    }
    guard let root, root.scalar.map({ !$0.string.isEmpty }) ?? true else { return }
    guard let mapping = root.mapping else {
      throw ConfigurationError(
        source: source, reason: "needs lines of the form 'key: value'.")
    }
    for (key, value) in mapping {
      let line = key.mark.map { "\(source):\($0.line)" } ?? source
      try assign(key.string ?? "", value, source: line)
    }
  }

  /// Applies one `key=value`, a list written as in a YAML file, anything else as it is.
  ///
  /// Paths may hold ": " or " #", which YAML would take for a map or a comment.
  ///
  /// - Parameters:
  ///   - assignment: The key and the value.
  ///   - option: What the user wrote, for messages; nil: the assignment after `--set`.
  /// - Throws: `ConfigurationError` for an unknown key or an ill-typed value.
  public mutating func apply(
    assignment: String, option: String? = nil
  ) throws(ConfigurationError) {
    let source = option ?? "--set \(assignment)"
    guard let equals = assignment.firstIndex(of: "=") else {
      throw ConfigurationError(source: source, reason: "needs the form key=value.")
    }
    let text = String(assignment[assignment.index(after: equals)...])
    var value = Node(text)
    if text.hasPrefix("["), let list = try? Yams.compose(yaml: text), list.sequence != nil {
      value = list
    }
    try assign(String(assignment[..<equals]), value, source: source)
  }

  /// The whole configuration as a YAML file.
  ///
  /// - Parameter roles: The settings to write, by their role.
  public func yaml(roles: Set<SettingRole> = [.model, .training, .execution]) -> String {
    let pairs = Self.settings.filter { roles.contains($0.role) }
      .map { (Node($0.key), $0.node(self)) }
    do {
      return try Yams.serialize(node: Node(pairs))
    } catch {
      preconditionFailure("A configuration can always be written: \(error)")
    }
  }

  private mutating func assign(
    _ key: String, _ value: Node, source: String
  ) throws(ConfigurationError) {
    guard let setting = Self.settings.first(where: { $0.key == key }) else {
      let meant = suggestion(for: key, among: Self.settings.map(\.key))
      throw ConfigurationError(
        source: source,
        reason: "there is no key '\(key)'\(meant.map { "; did you mean '\($0)'?" } ?? "") "
          + "(ddpm-dist train --help lists all).")
    }
    do {
      try setting.assign(&self, value)
    } catch {
      throw ConfigurationError(source: source, reason: "'\(key)' \(error.reason).")
    }
  }

  private static func error(
    _ error: YamlError, _ yaml: String, _ source: String
  ) -> ConfigurationError {
    switch error {
    case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
      .composer(_, let problem, let mark, _):
      ConfigurationError(
        source: "\(source):\(mark.line)",
        reason: isIndentedByTab(line: mark.line, of: yaml)
          ? "not YAML: the line begins with a tab; YAML wants spaces."
          : "not YAML: \(problem).")
    case .duplicatedKeysInMapping(let duplicates, let context):
      ConfigurationError(
        source: "\(source):\(context.mark.line)",
        reason: "the key '\(duplicates.first ?? "")' stands here and again below.")
    default:
      ConfigurationError(source: source, reason: "not YAML: \(error).")
    }
  }
}

/// Whether there is a tab in the indentation of a line, counted from 1.
private func isIndentedByTab(line: Int, of text: String) -> Bool {
  let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
  guard lines.indices.contains(line - 1) else { return false }
  return lines[line - 1].prefix { $0 == " " || $0 == "\t" }.contains("\t")
}
