// Which weights of a checkpoint.

import Parallel
import Storage

/// Which of a checkpoint's weights are used.
public enum WeightKind: RawRepresentable, Hashable, Sendable {
  /// The moving average over the training.
  case ema
  /// The weights of the last step.
  case model
  /// The power average of a length.
  case power(length: Double)

  /// The weights of a name: `average`, `model`, or `average_0.05` of the power average of length
  /// 0.05; nil for another one.
  public init?(rawValue name: String) {
    switch name {
    case "average": self = .ema
    case "model": self = .model
    default:
      let prefix = "average_"
      guard name.hasPrefix(prefix), let length = Double(name.dropFirst(prefix.count)),
        PowerAverage.lengths.contains(length)
      else { return nil }
      self = .power(length: length)
    }
  }

  /// The name, as files and command lines have it.
  public var rawValue: String {
    switch self {
    case .ema: "average"
    case .model: "model"
    case .power(let length): "average_\(length)"
    }
  }

  /// What of a checkpoint has to be read.
  var section: Checkpoint.Sections {
    switch self {
    case .ema: .ema
    case .model: .model
    case .power: .averages
    }
  }

  /// The weights in a checkpoint whose `section` was read.
  ///
  /// - Throws: `StorageError.badData` with the names of those that it has.
  func weights(in checkpoint: Checkpoint, path: String) throws(StorageError) -> [Float] {
    switch self {
    case .ema: return checkpoint.ema
    case .model: return checkpoint.model
    case .power(let length):
      if let weights = checkpoint.averages[length] { return weights }
      let others =
        [Self.ema, .model] + checkpoint.averages.keys.sorted().map { .power(length: $0) }
      throw .badData(
        path: path,
        reason: "has no weights \(rawValue); choose of "
          + others.map(\.rawValue).joined(separator: ", ") + " with --weights")
    }
  }
}
