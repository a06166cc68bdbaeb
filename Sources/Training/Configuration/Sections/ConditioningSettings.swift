// Settings: what the network is told that images show.

import Layers
import Storage

/// What the network is told that images show.
public struct ConditioningSettings: SettingsSection {
  /// What it may be.
  public enum Condition: String, CaseIterable, Sendable {
    /// Nothing.
    case none
    /// The class of each image, the dataset's label.
    case `class`
  }

  /// What the network is told.
  public var condition = Condition.none
  /// The names of the classes 0 … K − 1; nil: as the dataset has them.
  public var classNames: [String]?
  /// The probability with which training does not tell the class of an image.
  public var labelDrop = 0.1

  /// A network that is told nothing.
  public init() {}

  /// The most classes.
  private static let largestCount = 1 << 16

  /// The keys: what is told, and how often it is not.
  public static let settings: [Setting<Self>] = [
    .choice("condition", .model, \.condition, "what the network is told of an image"),
    .texts(
      "class_names", .model, \.classNames, limit: largestCount,
      "names of the classes; auto: the dataset's"),
    .number(
      "label_drop", .training, \.labelDrop, 0...1,
      "probability that training does not tell the class; guidance needs it"),
  ]

  /// The layers that it takes.
  ///
  /// - Throws: `ConfigurationError` where there are no names of classes.
  func kind() throws(ConfigurationError) -> ConditionKind {
    switch condition {
    case .none: return .none
    case .class:
      guard let classNames, !classNames.isEmpty else {
        throw ConfigurationError(
          source: "class_names", reason: "are needed for condition: class.")
      }
      return .classes(classNames.count)
    }
  }

  /// Fills in the names of the classes, or refuses a dataset that has others.
  mutating func adopt(_ dataset: ImageDataset) throws {
    guard condition == .class else {
      guard classNames == nil else {
        throw ConfigurationError(
          source: "class_names", reason: "are of no use without condition=class.")
      }
      return
    }
    guard let labels = dataset.labels else {
      throw StorageError.badData(
        path: dataset.path,
        reason: "has no labels, which condition=class needs; import it with labels, or set "
          + "condition=none")
    }
    guard labels.allSatisfy({ $0 < Self.largestCount }) else {
      throw StorageError.badData(
        path: dataset.path,
        reason: "has an image of class \(labels.max()!); \(Self.largestCount) classes are possible")
    }
    let own = dataset.classNames ?? classNames ?? (0...(labels.max() ?? 0)).map { "\($0)" }
    guard classNames ?? own == own else {
      throw ConfigurationError(
        source: "class_names",
        reason: "are \(Self.list(classNames!)), but those of \(dataset.path) are \(Self.list(own))."
      )
    }
    if let large = labels.max(), large >= own.count {
      throw ConfigurationError(
        source: "class_names",
        reason: "are \(own.count), but \(dataset.path) has an image of class \(large).")
    }
    classNames = own
  }

  /// Takes what is `auto` here from another run.
  mutating func fill(from old: ConditioningSettings) {
    if condition == .class { classNames = classNames ?? old.classNames }
  }

  private static func list(_ names: [String]) -> String {
    let shown = names.prefix(5).joined(separator: ", ")
    return names.count > 5 ? "\(shown), … (\(names.count))" : shown
  }
}
