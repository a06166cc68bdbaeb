// The grids that a run draws of itself, the last one with the way of some images from noise.

import Models
import Parallel
import Storage

/// The images of a run's grid.
struct SampleGrid {
  /// The frames of a way, and the images whose ways are shown.
  private static let (frames, shown) = (8, 4)

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
  /// - Parameters:
  ///   - showsWays: Whether a picture is made of the ways of the first images too, which costs no evaluation
  ///     more; not of models that draw an image in a few.
  ///   - progress: Called with the share of this rank's work that is done, from any worker.
  /// - Returns: On rank 0 the bytes of the images, (count, h, w, c), and the picture, with two rows for each
  ///   image, its x_t and its x̂_0; nothing elsewhere.
  /// - Throws: As `ImageSampler.draw`.
  func draw(
    showingWays showsWays: Bool, progress: @Sendable (Double) -> Void
  ) throws -> (images: [UInt8], ways: Picture?) {
    let sampler = try ImageSampler(trained, options, groups)
    let all = 0..<ImageGroups.count(of: count)
    var pixels: [UInt8] = []
    var ways: Picture?
    let isShort = sampler.generation.evaluations.map { $0 < Self.frames } ?? false
    let told = all.prefix(showsWays && !isShort ? 1 : 0)
    let rest = all.dropFirst(told.count)
    if !told.isEmpty {
      let teller = try ImageSampler(trained, options, groups, frames: Self.frames)
      try teller.draw(groups: told, together: ImageGroups.size) { share in
        if rest.isEmpty { progress(share) }
      } receive: { group in
        pixels += group.pixels
        ways = picture(of: group)
      }
    }
    try sampler.draw(groups: rest, together: count, progress: progress) { pixels += $0.pixels }
    return (Array(pixels.prefix(count * trained.shape.count * trained.format.bytes)), ways)
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
