// Drawing images with all workers of all ranks.

import MPI
import Models
import Parallel
import Sampling
import Storage
import Synchronization
import Tensors

/// Draws images from a trained model with all workers of all ranks.
///
/// Image i is a function of (weights, options, i): the number of workers, ranks and images drawn
/// together never shows in it.
public struct ImageSampler {
  /// The trained model.
  public let trained: TrainedModel
  /// How images are drawn.
  public let generation: any Generation
  private let groups: ImageGroups
  /// What the images are made from.
  let source: GivenImages?
  /// What is made.
  let task: GenerationTask

  /// A sampler; the same on all ranks.
  ///
  /// - Parameters:
  ///   - frames: How many frames of the way to each image are told beside it; nil: none.
  ///   - source: What the images are made from, where the task needs it.
  /// - Throws: An error of one line for options that the model cannot follow, or a model of which
  ///   no images can be drawn.
  public init(
    _ trained: TrainedModel, _ options: GenerationOptions, _ groups: ImageGroups,
    frames: Int? = nil, from source: GivenImages? = nil
  ) throws {
    precondition(
      options.task.needsImages == (source != nil), "A task has the images that it needs.")
    (self.trained, self.groups, self.source) = (trained, groups, source)
    task = options.task
    let generation = try trained.require((any Generator).self, to: "draw images")
      .generation(options)
    let shape = trained.shape
    self.generation =
      if let frames {
        Trajectory(
          generation, shape: [shape.height, shape.width, shape.channels], frames: frames)
      } else {
        generation
      }
  }

  /// A group of images that has been drawn.
  public struct Group {
    /// The numbers of its images.
    public let images: Range<Int>
    /// The images, (8, h, w, c), as bytes of `trained.format`.
    public let pixels: [UInt8]
    /// Each of `generation.extras`, of all its images.
    public let extras: [[Float]]
  }

  /// Draws groups of images, round after round; collective.
  ///
  /// - Parameters:
  ///   - numbers: The numbers of the groups.
  ///   - together: The images that are drawn together on all ranks, rounded up to whole groups.
  ///   - progress: Called with the share of this rank's work that is done, from any worker.
  ///   - receive: Called on rank 0 with each group, in order.
  ///   - isLast: Asked on all ranks after each round: whether it was the last one.
  /// - Throws: `MPIError`, or `AgreedFailure` where an image cannot be drawn, the model's output is
  ///   not finite, or `receive` throws.
  public func draw(
    groups numbers: some RandomAccessCollection<Int>, together: Int,
    progress: @Sendable (Double) -> Void, receive: (Group) throws -> Void,
    isLast: () throws -> Bool = { false }
  ) throws {
    let (trained, generation, source) = (trained, generation, source)
    let counter = Atomic(0)
    // Where each image decides for itself, a group counts when it is done.
    let evaluations = generation.evaluations
    let total = groups.ownedCount(of: numbers, together: together) * (evaluations ?? 1)
    @Sendable func advance() {
      let done = counter.add(1, ordering: .relaxed).newValue
      progress(Double(done) / Double(total))
    }
    let size = ImageGroups.size
    let pixelBytes = size * trained.shape.count * trained.format.bytes
    let floats = size * generation.extras.reduce(0) { $0 + $1.count }
    for round in groups.rounds(of: numbers, together: together) {
      let bytes = try groups.compute(round, width: pixelBytes + 4 * floats) {
        (group, pool) throws(Failure) in
        let images = ImageGroups.images(of: group)
        let drawn: Drawn
        do {
          let given = try source?.tensor(images, pool)
          drawn = try generation.draw(images, given: given) {
            trained.makePass(pool)
          } observe: { _ in
            if evaluations != nil { advance() }
          }
        } catch let error as IntegrationError {
          throw ExitCode.failure(
            for: IntegrationError(image: images.lowerBound + error.image, reason: error.reason))
        } catch {
          throw ExitCode.failure(for: error)
        }
        if evaluations == nil { advance() }
        guard drawn.images.scalars.allSatisfy(\.isFinite) else {
          throw Failure(
            "the network's output is not finite: this checkpoint's run has diverged; "
              + "sample from an earlier one.", exitCode: ExitCode.badData)
        }
        var bytes = trained.format.encode(UnsafeBufferPointer(drawn.images.scalars))
        for extra in drawn.extras {
          extra.withUnsafeBytes { bytes.append(contentsOf: $0) }
        }
        return bytes
      }
      try groups.communicator.together {
        guard groups.communicator.rank == 0 else { return }
        for (place, group) in round.enumerated() {
          try receive(unpack(bytes, place, of: group, pixelBytes: pixelBytes, floats: floats))
        }
      }
      if try isLast() { break }
    }
  }

  /// The group at a place of a round's bytes.
  private func unpack(
    _ bytes: [UInt8], _ place: Int, of group: Int, pixelBytes: Int, floats: Int
  ) -> Group {
    let start = place * (pixelBytes + 4 * floats)
    var rest = start + pixelBytes
    let extras = generation.extras.map { extra in
      let count = ImageGroups.size * extra.count
      defer { rest += 4 * count }
      return [Float](unsafeUninitializedCapacity: count) { buffer, filled in
        bytes.withUnsafeBytes {
          UnsafeMutableRawBufferPointer(buffer).copyMemory(
            from: UnsafeRawBufferPointer(rebasing: $0[rest..<rest + 4 * count]))
        }
        filled = count
      }
    }
    return Group(
      images: ImageGroups.images(of: group), pixels: Array(bytes[start..<start + pixelBytes]),
      extras: extras)
  }

  /// Draws the first images, for a picture of them; collective.
  ///
  /// - Parameters:
  ///   - count: The number of images.
  ///   - together: The images that are drawn together on all ranks, rounded up to whole groups.
  ///   - progress: Called with the share of this rank's work that is done, from any worker.
  /// - Returns: The images on rank 0, (count, h, w, c), as bytes of `trained.format`; empty
  ///   elsewhere.
  /// - Throws: As `draw`.
  public func images(
    count: Int, together: Int, progress: @Sendable (Double) -> Void
  ) throws -> [UInt8] {
    var pixels: [UInt8] = []
    try draw(
      groups: 0..<ImageGroups.count(of: count), together: together, progress: progress
    ) { pixels += $0.pixels }
    return Array(pixels.prefix(count * trained.shape.count * trained.format.bytes))
  }
}
