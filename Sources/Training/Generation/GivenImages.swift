// The images that others are made from, read by the worker that needs them.

import Storage
import Synchronization
import Tensors

/// Images of a dataset from which a task makes others: image i is made from image i.
public final class GivenImages: Sendable {
  /// The dataset.
  public let dataset: ImageDataset
  private let images: Range<Int>
  private let reader = Mutex<ImageReader?>(nil)

  /// Some images of a dataset, which is opened where the first one is read.
  public init(_ dataset: ImageDataset, _ images: Range<Int>) {
    precondition(
      !images.isEmpty && images.lowerBound >= 0 && images.upperBound <= dataset.count,
      "Only images of the dataset can be given.")
    (self.dataset, self.images) = (dataset, images)
  }

  /// The checksum of these images, of datasets that declare none.
  ///
  /// - Throws: `StorageError`.
  public func checksum() throws(StorageError) -> String {
    var hash = ContentHash()
    let pool = BufferPool()
    for first in stride(from: images.lowerBound, to: images.upperBound, by: 64) {
      let some = try tensor(first..<min(first + 64, images.upperBound), pool)
      hash.update(UnsafeRawBufferPointer(some.scalars))
    }
    return hash.hexadecimal()
  }

  /// A group of them, (n, h, w, c) in [−1, 1]; beyond the ends stands the image at the end.
  ///
  /// - Throws: `StorageError`.
  func tensor(_ numbers: Range<Int>, _ pool: BufferPool) throws(StorageError) -> Tensor {
    let opened = try reader.withLock { reader throws(StorageError) in
      if let reader { return reader }
      let opened = try ImageReader(dataset, range: images)
      reader = opened
      return opened
    }
    let shape = dataset.shape
    let x = Tensor(Shape(numbers.count, shape.height, shape.width, shape.channels), in: pool)
    try opened.read(
      numbers.map { min(max($0, images.lowerBound), images.upperBound - 1) }, into: x.pointer)
    return x
  }
}
