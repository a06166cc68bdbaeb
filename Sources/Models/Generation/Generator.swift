// The question of generation: what is image i?

import Layers
import Sampling
import Tensors

/// A model that images can be drawn from.
public protocol Generator: Sendable {
  /// How images are drawn when a user says this.
  ///
  /// - Throws: An error of one line for options that cannot be followed.
  func generation(_ options: GenerationOptions) throws -> any Generation
}

/// A way to draw images that has been found possible.
public protocol Generation: Sendable {
  /// How often a network is asked for each image: the unit of progress; nil where each image
  /// decides for itself.
  var evaluations: Int? { get }
  /// How the images are made, for the files that hold them.
  var facts: [String: Fact] { get }
  /// Sentences for the user on what was chosen for them.
  var notes: [String] { get }
  /// What is told of each image beside the image itself, in this order.
  var extras: [ExtraArray] { get }

  /// Draws a whole group of images: each is a function of the options, of its number, and of the
  /// given image of that number.
  ///
  /// - Parameters:
  ///   - images: Their numbers.
  ///   - given: What the images are made from, (n, h, w, c) in [−1, 1], where the task needs it.
  ///   - makePass: Makes a pass over the weights for one evaluation of a network.
  ///   - observe: Called after each evaluation.
  /// - Throws: An error for the first image that cannot be drawn.
  func draw(
    _ images: Range<Int>, given: Tensor?, _ makePass: () -> Pass,
    observe: (Observation) -> Void
  ) throws -> Drawn
}

extension Generation {
  /// Nothing.
  public var extras: [ExtraArray] { [] }
}

/// An array of floats that is told of each image.
public struct ExtraArray: Equatable, Sendable {
  /// Its name in files.
  public let name: String
  /// The extents of one image's; none for a number.
  public let extents: [Int]

  /// An array of a name and extents.
  public init(_ name: String, _ extents: [Int]) { (self.name, self.extents) = (name, extents) }

  /// The floats of one image.
  public var count: Int { extents.reduce(1, *) }
}

/// What has been drawn.
public struct Drawn {
  /// (n, h, w, c) in [−1, 1].
  public var images: Tensor
  /// Each of `Generation.extras`: the floats of all images.
  public var extras: [[Float]]

  /// Images, and what is told of them.
  public init(_ images: Tensor, extras: [[Float]] = []) {
    (self.images, self.extras) = (images, extras)
  }
}

/// One evaluation of a network on the way to images.
public struct Observation {
  /// x_t, (n, h, w, c).
  public let xt: Tensor
  /// The time of each image, 1 … T.
  public let t: [Double]
  /// x̂_0, as the sampler was told, (n, h, w, c).
  public let x0: Tensor

  /// What x_t or x̂_0 look like as images, (n, h, w, c).
  let shown: (Tensor) -> Tensor

  /// An evaluation.
  ///
  /// - Parameter shown: Turns x_t and x̂_0 into images, where they are none.
  public init(
    xt: Tensor, t: [Double], x0: Tensor, shown: @escaping (Tensor) -> Tensor = { $0 }
  ) {
    (self.xt, self.t, self.x0, self.shown) = (xt, t, x0, shown)
  }
}
