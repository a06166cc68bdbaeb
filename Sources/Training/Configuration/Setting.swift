// One setting: its key, what it means, and the way of its value to and from a file.

import Yams

/// One key of a configuration, or of one section of it.
///
/// A setting is declared once, in the list of its section (`SettingsSection`), beside the property
/// that holds its value.
public struct Setting<Root>: Sendable {
  /// A value that the setting cannot take, as the end of a sentence: "needs a whole number".
  struct Mismatch: Error {
    let reason: String
  }

  /// The key in YAML files and after `--set`.
  public let key: String
  /// What it means, in one line.
  public let help: String
  /// The values that it takes, with their unit, in one line.
  public let values: String
  /// What it has a say in.
  public let role: SettingRole
  let node: @Sendable (Root) -> Node
  let assign: @Sendable (inout Root, Node) throws(Mismatch) -> Void

  init(
    key: String, help: String, values: String, role: SettingRole,
    node: @escaping @Sendable (Root) -> Node,
    assign: @escaping @Sendable (inout Root, Node) throws(Mismatch) -> Void
  ) {
    self.key = key
    self.help = help
    self.values = values
    self.role = role
    self.node = node
    self.assign = assign
  }

  /// The value of the setting as it would stand in a YAML file.
  public func value(in root: Root) -> String {
    // Unlimited width: a long list must not be broken into lines.
    let text = try? Yams.serialize(node: node(root), width: -1)
    return text.map { String($0.split(separator: "\n")[0]) } ?? ""
  }

  /// The same setting of something that has this root as a part.
  func lifted<Whole>(
    _ path: any WritableKeyPath<Whole, Root> & Sendable
  ) -> Setting<Whole> {
    Setting<Whole>(
      key: key, help: help, values: values, role: role,
      node: { node($0[keyPath: path]) },
      assign: { (whole, node) throws(Setting<Whole>.Mismatch) in
        do throws(Mismatch) {
          try assign(&whole[keyPath: path], node)
        } catch {
          throw Setting<Whole>.Mismatch(reason: error.reason)
        }
      })
  }
}

/// What a setting has a say in.
public enum SettingRole: Sendable {
  /// What the model is and which images it sees when: fixed for the life of a run.
  case model
  /// How the run is trained and recorded: may change when a run is resumed.
  case training
  /// Where and with how many hands the work is done: no effect on the result.
  case execution
}

/// Properties of a configuration that belong together, each with its setting.
public protocol SettingsSection: Equatable, Sendable {
  /// The settings, in the order of the documentation and of the files that we write.
  static var settings: [Setting<Self>] { get }
}
