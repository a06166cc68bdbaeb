// Settings: images that are not trained on, and what is made of their loss.

/// Which images tell whether a run is still learning, and how often they are asked.
public struct ValidationSettings: SettingsSection {
  /// Where the images come from; nil: there is no validation.
  public var source: ValidationSource?
  /// How many images at the end of the dataset are not trained on; nil: as the share says.
  public var heldOut: Int?
  /// The steps between validations, 0 for none.
  public var every = 100
  /// How many images are used, the first ones; nil: chosen so that validation costs little.
  public var images: Int?
  /// The validations without a better one after which a run stops; 0: it never does.
  public var patience = 0

  /// No validation.
  public init() {}

  /// The keys: which images, when, and until when.
  public static let settings: [Setting<Self>] = [
    .scalar(
      "validation", .execution, \.source,
      values: "none, a share such as 0.2, a path, path:/group, or digits",
      "images that are not trained on: the last of the dataset, or those of a file",
      text: { $0?.text ?? "none" }
    ) { (text) throws(Setting<Self>.Mismatch) in try ValidationSource.parse(text) },
    .integer(
      "held_out", .model, \.heldOut, from: 0, unit: "images",
      "images at the dataset's end that are not trained on; auto: as the share says"),
    .integer(
      "validation_every", .training, \.every, from: 0, unit: "steps",
      "steps between validations, and every checkpoint that is due is validated too; 0: never"),
    .integer(
      "validation_images", .training, \.images, from: 1, unit: "images",
      "how many are used, the first; auto: what costs at most 3 % of the run's time"),
    .integer(
      "patience", .training, \.patience, from: 0, unit: "validations",
      "validations in a row without a better one that end the run; 0: none do"),
  ]

  /// Refuses what does not fit together.
  func check() throws(ConfigurationError) {
    guard patience > 0, source == nil || every == 0 else { return }
    throw ConfigurationError(
      source: "patience",
      reason: "is \(patience), but "
        + (source == nil
          ? "there is no validation; set validation=0.2, or leave it 0."
          : "validation_every=0 says that there is no validation; give its steps, or leave it 0."))
  }

  /// The images of so many that validation uses, as the setting says or, for `auto`, as many as
  /// cost at most 3 % of the time.
  ///
  /// A pass without gradient costs a third of a training step's, so 3 % are 0.09 · batch · period
  /// images. A third of that is left for all that is not the network.
  ///
  /// - Parameters:
  ///   - available: How many there are, 1 or more.
  ///   - batch: The images of a training step.
  ///   - checkpointEvery: The steps between checkpoints, which are validated too.
  func imageCount(of available: Int, batch: Int, checkpointEvery: Int) -> Int {
    if let images { return min(available, images) }
    // Products of two settings fit into an Int; of three they may not.
    let trained = batch * min(every, checkpointEvery)
    return min(available, max(8, Int((0.06 * Double(trained)).rounded(.down))))
  }
}

/// Where the images of validation come from.
public enum ValidationSource: Equatable, Sendable {
  /// The last part of the dataset that is trained on, as a share of its images between 0 and 1.
  case share(Double)
  /// The embedded digits.
  case digits
  /// A group of an HDF5 file; `/` for its root.
  case file(path: String, group: String)

  /// How many of so many images a share is: ⌊share · count⌋, where 0.29 of 100 is 29.
  ///
  /// The nearest Double may be a little smaller than what was written.
  package static func count(ofShare share: Double, of count: Int) -> Int {
    Int((share * Double(count) * (1 + 0x1p-50)).rounded(.down))
  }

  /// As it is written in a configuration.
  var text: String {
    switch self {
    case .share(let share): Setting<ValidationSettings>.yamlNumber(share)
    case .digits: "digits"
    case .file(let path, let group):
      // A name that would be read as something else gets its group.
      group == "/" && (try? Self.parse(path)) == .some(self) ? path : "\(path):\(group)"
    }
  }

  /// Reads a share, a path, or a path and a group.
  static func parse(
    _ text: String
  ) throws(Setting<ValidationSettings>.Mismatch) -> ValidationSource? {
    guard !text.isEmpty else { throw .init(reason: "needs none, a share, or a path") }
    if text == "none" { return nil }
    if text == "digits" { return .digits }
    if let share = Double(text) {
      guard share > 0, share < 1 else {
        throw .init(reason: "needs a share between 0 and 1, or a path, not '\(text)'")
      }
      return .share(share)
    }
    guard let mark = text.ranges(of: ":/").last, mark.lowerBound > text.startIndex else {
      return .file(path: text, group: "/")
    }
    let group = text.index(after: mark.lowerBound)
    return .file(path: String(text[..<mark.lowerBound]), group: String(text[group...]))
  }
}
