// Settings: what is run.

/// The run's name and the family of its model.
public struct RunSettings: SettingsSection {
  /// The name of the run; its folder is `runs/<name>` where none is given.
  public var name = "digits"
  /// The name of the model's family, one of `ModelFamily.all`.
  public var model = ModelFamily.all[0].name

  /// Those of the embedded digits.
  public init() {}

  /// The keys: the family and the name.
  public static let settings: [Setting<Self>] = [
    .text("name", .execution, \.name, "the run's name; its folder is runs/<name>"),
    .scalar(
      "model", .model, \.model, values: ModelFamily.names, "the family of the model",
      text: { $0 }
    ) { (text) throws(Setting<Self>.Mismatch) in
      guard ModelFamily.all.contains(where: { $0.name == text }) else {
        throw .init(reason: "needs one of \(ModelFamily.names), not '\(text)'")
      }
      return text
    },
  ]
}
