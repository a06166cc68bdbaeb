// The grids that a run draws of itself, with the way of some images from noise.

import Models
import Parallel
import Storage

/// The images of a run's grid.
struct SampleGrid {
  /// The frames of a way, and the images whose ways are shown.
  private static let (frames, shown) = (8, 4)
  /// The bytes of ways that are brought together for them at most: the first images are drawn before the others
  /// where those of all would be more.
  private static let wayBytes = 64 << 20

  private let trained: TrainedModel
  private let options: GenerationOptions
  private let count: Int
  private let groups: ImageGroups

  /// A grid of so many images.
  init(_ trained: TrainedModel, _ options: GenerationOptions, count: Int, _ groups: ImageGroups) {
    (self.trained, self.options, self.count, self.groups) = (trained, options, count, groups)
  }

  /// Draws the images; collective.
  ///
  /// - Parameter progress: Called with the share of this rank's work that is done, from any worker.
  /// - Returns: On rank 0 the bytes of the images, (count, h, w, c), and a picture of the ways of the first
  ///   ones, with two rows for each, its x_t and its x̂_0, which costs no evaluation more; none of models that
  ///   draw an image in a few evaluations. Nothing elsewhere.
  /// - Throws: As `ImageSampler.draw`.
  func draw(
    progress: @Sendable (Double) -> Void
  ) throws -> (images: [UInt8], ways: Picture?) {
    let sampler = try ImageSampler(trained, options, groups)
    let all = 0..<ImageGroups.count(of: count)
    var pixels: [UInt8] = []
    var ways: Picture?
    let isShort = sampler.generation.evaluations.map { $0 < Self.frames } ?? false
    let bytes = all.count * ImageGroups.size * 2 * Self.frames * trained.shape.count * 4
    let told = all.prefix(isShort ? 0 : bytes <= Self.wayBytes ? all.count : 1)
    let rest = all.dropFirst(told.count)
    if !told.isEmpty {
      let teller = try ImageSampler(trained, options, groups, frames: Self.frames)
      try teller.draw(groups: told, together: count) { share in
        if rest.isEmpty { progress(share) }
      } receive: { group in
        pixels += group.pixels
        ways = ways ?? picture(of: group)
      }
    }
    guard !rest.isEmpty else { return (cut(pixels), ways) }
    try sampler.draw(groups: rest, together: count, progress: progress) { pixels += $0.pixels }
    return (cut(pixels), ways)
  }

  /// The images of a grid without the others of the last group.
  private func cut(_ pixels: [UInt8]) -> [UInt8] {
    Array(pixels.prefix(count * trained.shape.count * trained.format.bytes))
  }

  /// The ways of the first images of a group: its last extra arrays are x_t and x̂_0.
  private func picture(of group: ImageSampler.Group) -> Picture {
    let (images, length) = (min(Self.shown, count), Self.frames * trained.shape.count)
    let arrays = group.extras.suffix(2)
    let floats = (0..<images).flatMap { image in
      arrays.flatMap { $0[image * length..<(image + 1) * length] }
    }
    return ImageGrid(
      shape: trained.shape, count: 2 * Self.frames * images, columns: Self.frames
    ).picture(of: floats)
  }
}
