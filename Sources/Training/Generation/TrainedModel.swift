// A model whose training is over, or at rest: with weights that nobody can write.

import Layers
import MPI
import Models
import Storage
import Tensors

/// A model, its weights, and what its images are: what sampling, evaluation and comparison need.
public struct TrainedModel: Sendable {
  /// The model.
  public let model: any Objective
  /// The extents of an image.
  public let shape: ImageShape
  /// How scalars in [−1, 1] stand for the values of the training data.
  public let format: PixelFormat
  /// The format of the operands of products, whatever it was trained with.
  public internal(set) var precision = Precision.float32
  private let weights: Weights

  /// The whole parameter buffer, written once, and the kernels that have been transformed of it.
  private final class Weights: Sendable {
    private let floats: AlignedFloats
    let preparedKernels = PreparedKernels()

    init(_ floats: AlignedFloats) { self.floats = floats }

    var checksum: String {
      var hash = ContentHash()
      hash.update(UnsafeRawBufferPointer(floats.elements))
      return hash.hexadecimal()
    }

    /// Valid only as long as this object.
    var pointer: UnsafePointer<Float> { UnsafePointer(floats.elements.baseAddress!) }
  }

  /// A model with a copy of its weights.
  ///
  /// - Parameters:
  ///   - weights: The whole parameter buffer.
  ///   - images: The settings of the images, filled in.
  ///   - precision: The format of the operands of products.
  public init(
    _ model: any Objective, weights: [Float], _ images: DataSettings,
    precision: Precision = .float32
  ) {
    self.init(model, adopting: AlignedFloats(weights), images)
    self.precision = precision
  }

  /// A model whose weights nobody writes any more.
  package init(_ model: any Objective, adopting weights: AlignedFloats, _ images: DataSettings) {
    precondition(
      weights.count == model.parameters.layout.count,
      "The weights must fill the model's parameter buffer.")
    guard let shape = images.shape, let format = images.format else {
      preconditionFailure("The facts of the images are filled in first.")
    }
    var model = model
    model.adopt(weights: UnsafeBufferPointer(weights.elements))
    self.model = model
    self.shape = shape
    self.format = format
    self.weights = Weights(weights)
  }

  /// The memory of the kernels that have been transformed of the weights so far, in bytes.
  package var preparedBytes: Int { weights.preparedKernels.allocatedBytes }

  /// The checksum of the weights: XXH3 with 128 bits, as hexadecimal digits.
  public var checksum: String { weights.checksum }

  /// A pass over the weights, for one evaluation without a tape; this object must outlive it.
  ///
  /// - Parameters:
  ///   - pool: The memory of the calling worker.
  ///   - profile: Where the time of each operation is noted; nil: nowhere.
  public func makePass(_ pool: BufferPool, profile: OperationProfile? = nil) -> Pass {
    Pass(
      pool: pool, weights: weights.pointer, precision: precision, profile: profile,
      preparedKernels: weights.preparedKernels)
  }

  /// The model as one of some kind: a generator, a likelihood, a family.
  ///
  /// - Parameter purpose: What it is wanted for, as the end of a sentence: "draw images".
  /// - Throws: `Failure` of a sentence where this model is none.
  public func require<Kind>(_ kind: Kind.Type, to purpose: String) throws(Failure) -> Kind {
    guard let model = model as? Kind else {
      throw Failure(
        "a model of this family cannot \(purpose); choose a checkpoint of another one.",
        exitCode: ExitCode.usage)
    }
    return model
  }

  /// Requires that a dataset's images are such as the model was trained on.
  ///
  /// - Throws: `StorageError.badData` that names the difference.
  public func requireImages(of dataset: ImageDataset) throws(StorageError) {
    guard dataset.shape == shape else {
      throw .badData(
        path: dataset.path,
        reason: "has images of \(dataset.shape), but the model's are \(shape); choose a dataset of "
          + "such images")
    }
    guard dataset.format == format else {
      throw .badData(
        path: dataset.path,
        reason:
          "has pixels of \(dataset.format), but the model's are \(format); choose a dataset of "
          + "such images")
    }
  }
}
