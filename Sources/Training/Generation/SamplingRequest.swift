// Which images are to be drawn, and where they go.

import Foundation
import Models
import Parallel
import Storage
import Tensors

/// Which images are to be drawn, and where they go.
public struct SamplingRequest: Sendable {
  /// Their numbers.
  public var images: Range<Int>
  /// Where they go; at least one.
  public var outputs: [SampleOutput]
  /// Whether the job goes on where an earlier one of the same images was ended.
  public var isResumed = false
  /// The images that are drawn together, over all ranks; nil: a group for each worker.
  public var together: Int?
  /// The seed of all random numbers.
  public var seed: UInt64
  /// How the images are made, beside what their generation says: the checkpoint, the weights.
  public var facts: [String: Fact]
  /// What the images show, one after the other and again from the first, where they are told.
  public var shown: ShownConditions?
  /// Images in a row of a picture; nil: such that it is about square.
  public var columns: Int?

  /// Some images for some outputs.
  public init(_ images: Range<Int>, _ outputs: [SampleOutput], seed: UInt64, facts: [String: Fact])
  {
    precondition(!outputs.isEmpty && !images.isEmpty, "A job has images and a place for them.")
    (self.images, self.outputs, self.seed, self.facts) = (images, outputs, seed, facts)
  }

  /// The groups that hold the images.
  var groups: Range<Int> {
    images.lowerBound / ImageGroups.size..<(images.upperBound + ImageGroups.size - 1)
      / ImageGroups.size
  }
}
