// What the picture of a job shows: images, images beside what they are made of, or their ways.

import Models
import Storage
import Tensors

/// The picture of drawn images.
///
/// Images stand one after the other; `ShownConditions` says how those that were told what to show do.
/// Those that are made from others stand right of them. Of images whose
/// way is told, each has two rows, its x_t and its x̂_0, from the first evaluation to the last.
struct SamplePicture {
  private let sampler: ImageSampler
  private let request: SamplingRequest

  init(_ sampler: ImageSampler, _ request: SamplingRequest) {
    (self.sampler, self.request) = (sampler, request)
  }

  /// Draws it.
  ///
  /// - Parameters:
  ///   - samples: The bytes of some images of the job, counted from its first.
  ///   - extra: The floats of such images, of an extra array of the generation.
  func picture(
    samples: (Range<Int>) throws -> [UInt8], extra: (Int, Range<Int>) throws -> [Float]
  ) throws -> Picture {
    let (count, trained) = (request.images.count, sampler.trained)
    if let trajectory = sampler.generation as? Trajectory {
      let first = trajectory.extras.count - 2
      var floats: [Float] = []
      for image in 0..<count {
        for array in [first, first + 1] { floats += try extra(array, image..<image + 1) }
      }
      return ImageGrid(
        shape: trained.shape, count: 2 * trajectory.frames * count, columns: trajectory.frames
      ).picture(of: floats)
    }
    guard let source = sampler.source else {
      if let shown = request.shown {
        return try shown.picture(
          of: request.images, columns: request.columns, shape: trained.shape,
          format: trained.format, samples)
      }
      return ImageGrid(shape: trained.shape, count: count, columns: request.columns)
        .picture(of: try samples(0..<count), trained.format)
    }
    let pool = BufferPool()
    var bytes: [UInt8] = []
    for image in 0..<count {
      let number = request.images.lowerBound + image
      let given = try source.tensor(number..<number + 1, pool)
      if case .inpainting(let mask, _) = sampler.task {
        // What is painted anew is grey.
        for k in mask.indices where mask[k] { given.pointer[k] = 0 }
      }
      bytes += trained.format.encode(UnsafeBufferPointer(given.scalars))
      bytes += try samples(image..<image + 1)
    }
    let pairs = Int((Double(count) / 2).squareRoot().rounded(.up))
    return ImageGrid(
      shape: trained.shape, count: 2 * count, columns: request.columns ?? 2 * max(1, pairs)
    ).picture(of: bytes, trained.format)
  }
}
