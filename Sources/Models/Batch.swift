// The images that a loss is of.

import Tensors

/// Some images, and what is known of each.
public struct Batch {
  /// x_0, (n, h, w, c) in [−1, 1].
  public let images: Tensor
  /// The class of each image; nil where the dataset has none.
  public let labels: [Int]?

  /// The number of images.
  public var count: Int { images.shape.n }

  /// Images and their classes.
  public init(images: Tensor, labels: [Int]? = nil) {
    precondition(labels.map { $0.count == images.shape.n } ?? true, "Each image needs its class.")
    self.images = images
    self.labels = labels
  }
}
