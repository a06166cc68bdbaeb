// What a model is told of the images of a dataset.

import Layers
import Storage

/// What the images of a dataset are said to show.
public struct ImageConditions: Sendable {
  private let labels: [Int]?

  /// Nothing is said of any image.
  public static let none = ImageConditions(labels: nil)

  private init(labels: [Int]?) { self.labels = labels }

  /// What a model with these settings is told of the images of a dataset.
  ///
  /// - Parameter settings: Those of the model, with the names of its classes filled in.
  /// - Throws: `StorageError.badData` for a dataset without labels, or with other classes.
  public init(_ dataset: ImageDataset, _ settings: ConditioningSettings) throws(StorageError) {
    guard settings.condition == .class, let names = settings.classNames else {
      self = .none
      return
    }
    guard let labels = dataset.labels else {
      throw .badData(
        path: dataset.path, reason: "has no labels, but the model is told the class of each image")
    }
    if let other = dataset.classNames, other != names {
      throw .badData(
        path: dataset.path,
        reason: "has other classes than the model was trained on: "
          + (zip(other, names).first { $0 != $1 }.map { "'\($0)' where the model has '\($1)'" }
            ?? "\(other.count), not \(names.count)"))
    }
    if let large = labels.max(), large >= names.count {
      throw .badData(
        path: dataset.path,
        reason:
          "has an image of class \(large), but the model's classes are 0 to \(names.count - 1)")
    }
    self.labels = labels
  }

  /// What some images are said to show; empty where nothing is said.
  func conditions(of images: some Collection<Int>) -> [Condition] {
    labels.map { labels in images.map { .label(labels[$0]) } } ?? []
  }
}
