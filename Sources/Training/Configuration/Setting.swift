import Diffusion
import Parallel
import Yams

/// One key of the configuration: how it is called, what it means, and how it is read and written.
public struct Setting: Sendable {
  /// A value that the setting cannot take, as the end of a sentence: "needs a whole number".
  struct Mismatch: Error {
    let reason: String
  }

  /// What a setting has a say in.
  public enum Role: Sendable {
    /// What the network is and which images it sees when: fixed for the life of a run.
    case model
    /// How the run is trained and recorded: may change when a run is resumed.
    case training
    /// Where and with how many hands the work is done: no effect on the result.
    case execution
  }

  /// The key in YAML files and after `--set`.
  public let key: String
  /// What it means, with unit and range, in one line.
  public let help: String
  /// What it has a say in.
  public let role: Role
  let node: @Sendable (Configuration) -> Node
  let assign: @Sendable (inout Configuration, Node) throws(Mismatch) -> Void

  /// The value of the setting as it would stand in a YAML file.
  public func value(in configuration: Configuration) -> String {
    // Unlimited width: a long list must not be broken into lines.
    let text = try? Yams.serialize(node: node(configuration), width: -1)
    return text.map { String($0.split(separator: "\n")[0]) } ?? ""
  }
}

extension Setting {
  private typealias Path<Value> = WritableKeyPath<Configuration, Value> & Sendable

  /// A setting whose value is one scalar, read by `parse` and written by `text`.
  private static func scalar<Value>(
    _ key: String, _ role: Role, _ path: any Path<Value>, _ help: String,
    text: @escaping @Sendable (Value) -> String,
    parse: @escaping @Sendable (String) throws(Mismatch) -> Value
  ) -> Setting {
    Setting(
      key: key, help: help, role: role,
      node: { Node(text($0[keyPath: path])) },
      assign: { (configuration, node) throws(Mismatch) in
        guard case .scalar(let scalar) = node else {
          throw Mismatch(reason: "needs one value, not a list or a map")
        }
        configuration[keyPath: path] = try parse(scalar.string)
      })
  }

  private static func integer(_ text: String, from low: Int, to high: Int) throws(Mismatch) -> Int {
    guard let value = Int(text.replacing("_", with: "")), value >= low else {
      throw Mismatch(reason: "needs a whole number of at least \(low), not '\(text)'")
    }
    guard value <= high else {
      throw Mismatch(reason: "needs a whole number of at most \(high), not '\(text)'")
    }
    return value
  }

  /// The largest whole number of most settings: products of two of them fit into an Int, and
  /// random streams count steps in 32 bits.
  private static let largest = Int(Int32.max)

  private static func integer(
    _ key: String, _ role: Role, _ path: any Path<Int>, from low: Int, to high: Int = largest,
    _ help: String
  ) -> Setting {
    scalar(key, role, path, help, text: { String($0) }) { (text) throws(Mismatch) in
      try integer(text, from: low, to: high)
    }
  }

  private static func integer(
    _ key: String, _ role: Role, _ path: any Path<Int?>, from low: Int, to high: Int = largest,
    _ help: String, forbidden: Int? = nil
  ) -> Setting {
    scalar(key, role, path, help, text: { $0.map { String($0) } ?? "auto" }) {
      (text) throws(Mismatch) in
      if text == "auto" { return nil }
      let value = try integer(text, from: low, to: high)
      guard value != forbidden else { throw Mismatch(reason: "cannot be \(value)") }
      return value
    }
  }

  private static func number(
    _ key: String, _ role: Role, _ path: any Path<Double>, _ range: ClosedRange<Double>,
    _ help: String
  ) -> Setting {
    scalar(key, role, path, help, text: { yamlNumber($0) }) { (text) throws(Mismatch) in
      guard let value = Double(text), range.contains(value) else {
        throw Mismatch(
          reason: "needs a number from \(range.lowerBound) to \(range.upperBound), not '\(text)'")
      }
      return value
    }
  }

  /// A number that YAML 1.1 takes for one: with a point also before an exponent.
  private static func yamlNumber(_ value: Double) -> String {
    let text = "\(value)"
    return text.contains(".") ? text : text.replacing("e", with: ".0e")
  }

  private static func flag(
    _ key: String, _ role: Role, _ path: any Path<Bool>, _ help: String
  ) -> Setting {
    scalar(key, role, path, help, text: { "\($0)" }) { (text) throws(Mismatch) in
      guard let value = Bool(text) else {
        throw Mismatch(reason: "needs true or false, not '\(text)'")
      }
      return value
    }
  }

  private static func choice<Value: RawRepresentable & CaseIterable & Sendable>(
    _ key: String, _ role: Role, _ path: any Path<Value>, _ help: String
  ) -> Setting where Value.RawValue == String {
    let names = Value.allCases.map(\.rawValue).joined(separator: ", ")
    return scalar(key, role, path, "\(help): \(names)", text: { $0.rawValue }) {
      (text) throws(Mismatch) in
      guard let value = Value(rawValue: text) else {
        throw Mismatch(reason: "needs one of \(names), not '\(text)'")
      }
      return value
    }
  }

  private static func text(
    _ key: String, _ role: Role, _ path: any Path<String>, _ help: String
  ) -> Setting {
    scalar(key, role, path, help, text: { $0 }) { (text) throws(Mismatch) in
      guard !text.isEmpty else { throw Mismatch(reason: "needs a text") }
      return text
    }
  }

  private static func integers(
    _ key: String, _ role: Role, _ path: any Path<[Int]>, _ help: String
  ) -> Setting {
    Setting(
      key: key, help: help, role: role,
      node: { configuration in
        Node(configuration[keyPath: path].map { Node(String($0)) }, .implicit, .flow)
      },
      assign: { (configuration, node) throws(Mismatch) in
        guard case .sequence(let sequence) = node else {
          throw Mismatch(reason: "needs a list of whole numbers, as in [1, 2]")
        }
        guard sequence.count <= 16 else {
          throw Mismatch(reason: "needs at most 16 numbers, not \(sequence.count)")
        }
        var values: [Int] = []
        for item in sequence {
          values.append(try integer(item.string ?? "a list", from: 1, to: largestExtent))
        }
        configuration[keyPath: path] = values
      })
  }

  /// The largest extent of an image or a network: the sizes of its tensors fit into an Int.
  private static let largestExtent = 4096

  /// Every setting, in the order of the documentation and of the files that we write.
  public static let all: [Setting] = [
    text("name", .execution, \.name, "the run's name; its folder is runs/<name>"),
    scalar(
      "data", .execution, \.data, "path of the dataset (HDF5), or 'digits' for the embedded one",
      text: { $0 ?? "digits" }
    ) { (text) throws(Mismatch) in
      guard !text.isEmpty else { throw Mismatch(reason: "needs a path") }
      return text == "digits" ? nil : text
    },
    text("data_group", .execution, \.dataGroup, "group of the dataset's file, such as /train"),
    flag("flip", .model, \.flip, "mirror each image with probability 1/2"),
    integer(
      "levels", .model, \.levels, from: 0, to: 256,
      "grey levels, 2 to 256, or 0 if continuous; auto: the data's", forbidden: 1),
    integer(
      "height", .model, \.height, from: 1, to: largestExtent,
      "image rows, pixels; auto: the dataset's"),
    integer(
      "width", .model, \.width, from: 1, to: largestExtent,
      "image columns, pixels; auto: the dataset's"),
    integer(
      "image_channels", .model, \.imageChannels, from: 1, to: largestExtent,
      "image channels; auto: the dataset's"),

    integer(
      "channels", .model, \.network.channels, from: 4, to: largestExtent,
      "channels of the first level"),
    integers("multipliers", .model, \.network.multipliers, "channels of each level / channels"),
    integer("blocks", .model, \.network.blocks, from: 1, to: 100, "residual blocks of a level"),
    integers(
      "attention", .model, \.network.attention, "map heights with attention, pixels; [] for none"),
    integer("heads", .model, \.network.heads, from: 1, "attention heads"),
    integer("groups", .model, \.network.groups, from: 1, "groups of each group normalisation"),
    number("dropout", .training, \.network.dropout, 0...0.999, "dropout probability"),

    integer(
      "diffusion_steps", .model, \.diffusionSteps, from: 2, to: 1_000_000, "diffusion steps T"),
    choice("schedule", .model, \.schedule, "schedule of the variances beta_t"),
    number("beta_start", .model, \.betaStart, 1e-9...0.999, "beta_1 of the linear schedule"),
    number("beta_end", .model, \.betaEnd, 1e-9...0.999, "beta_T of the linear schedule"),
    choice("prediction", .model, \.prediction, "what the network predicts"),
    choice("variance", .training, \.variance, "variance of a reverse step"),
    choice("objective", .training, \.objective, "training objective"),

    integer("steps", .training, \.steps, from: 1, "optimizer steps of the whole run"),
    integer("batch", .model, \.batch, from: 1, "images a step, over all ranks"),
    integer("seed", .model, \.seed, from: 0, to: .max, "seed of all random numbers"),
    integer(
      "shards", .model, \.shards, from: 1,
      "shards of a batch; auto: 8 or more where the batch allows"),
    integer(
      "workers", .execution, \.workers, from: 1, "threads a rank; auto: the cores that it may use"),
    choice(
      "reduction", .training, \.reduction,
      "how ranks add gradients (only tree: the same bits on any ranks)"),

    number("learning_rate", .training, \.learningRate, 0...10, "Adam's learning rate"),
    integer("warmup_steps", .training, \.warmupSteps, from: 0, "steps of linear warm-up"),
    number("adam_beta1", .training, \.adamBeta1, 0...0.999999, "decay of Adam's first moment"),
    number("adam_beta2", .training, \.adamBeta2, 0...0.999999, "decay of Adam's second moment"),
    number("adam_epsilon", .training, \.adamEpsilon, 1e-30...1, "added to Adam's denominator"),
    number("clip_norm", .training, \.clipNorm, 1e-6...1e9, "largest global gradient norm"),
    number("average_decay", .training, \.averageDecay, 0...0.9999999, "decay of the average"),

    integer(
      "checkpoint_every", .training, \.checkpointEvery, from: 1, "steps between checkpoints"),
    integer(
      "keep_checkpoints", .training, \.keepCheckpoints, from: 2, "newest checkpoints to keep"),
    integer(
      "sample_every", .training, \.sampleEvery, from: 0, "steps between sample grids; 0: none"),
    integer("sample_count", .training, \.sampleCount, from: 1, "images of a sample grid"),
  ]
}
