// The images that a loss is of.

import Layers
import Tensors

/// Some images, and what is said of each.
public struct Batch {
  /// x_0, (n, h, w, c) in [−1, 1].
  public let images: Tensor
  /// What each image is said to show; empty where nothing is said.
  public let conditions: [Condition]

  /// The number of each image in its dataset; empty where it is not known.
  public let numbers: [Int]

  /// The number of images.
  public var count: Int { images.shape.n }

  /// Images, what they show, and which they are.
  public init(images: Tensor, conditions: [Condition] = [], numbers: [Int] = []) {
    precondition(
      conditions.isEmpty || conditions.count == images.shape.n,
      "Each image needs its condition, or none has one.")
    precondition(
      numbers.isEmpty || numbers.count == images.shape.n,
      "Each image needs its number, or none has one.")
    self.images = images
    self.conditions = conditions
    self.numbers = numbers
  }

  /// What a network is told of each image: outside training all that is known.
  ///
  /// - Parameter drop: The probability with which training does not tell it.
  func told(_ draws: Draws, drop: Double) -> [Condition] {
    guard draws.isTraining, drop > 0 else { return conditions }
    return conditions.enumerated().map { n, condition in
      draws.stream(.conditionDrop, image: n).uniform() < drop ? .none : condition
    }
  }
}
