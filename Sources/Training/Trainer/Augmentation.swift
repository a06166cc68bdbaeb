// What is done to training images before any model sees them.

import Models
import Tensors

/// Random changes of images that leave their meaning as it is.
struct Augmentation: Sendable {
  /// Whether each image is mirrored with probability ½.
  let flips: Bool

  /// Changes some images in place, each by its own random numbers.
  func apply(to images: Tensor, _ draws: Draws) {
    guard flips else { return }
    for n in 0..<images.shape.n where draws.stream(.flip, image: n).coin() {
      mirror(images.image(n), images.shape)
    }
  }

  /// Swaps left and right of one image.
  private func mirror(_ image: UnsafeMutableBufferPointer<Float>, _ shape: Shape) {
    for row in 0..<shape.h {
      for column in 0..<shape.w / 2 {
        let left = (row * shape.w + column) * shape.c
        let right = (row * shape.w + shape.w - 1 - column) * shape.c
        for channel in 0..<shape.c { image.swapAt(left + channel, right + channel) }
      }
    }
  }
}
