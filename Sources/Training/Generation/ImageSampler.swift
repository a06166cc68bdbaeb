import Diffusion
import Foundation
import MPI
import Parallel
import Sampling
import Storage
import Synchronization
import Tensors

/// Draws images from a trained network with all workers of all ranks.
///
/// Image i is a function of (weights, chain, seed, i): the number of workers, ranks and images
/// drawn together never shows in it.
public struct ImageSampler {
  /// The trained network.
  public let denoiser: Denoiser
  /// The chain that is walked back, respaced perhaps.
  public let sampler: AncestralSampler
  private let communicator: Communicator
  private let workers: Workers

  /// A sampler; the same on all ranks.
  public init(
    denoiser: Denoiser, sampler: AncestralSampler, communicator: Communicator, workers: Workers
  ) {
    self.denoiser = denoiser
    self.sampler = sampler
    self.communicator = communicator
    self.workers = workers
  }

  /// Draws images; collective.
  ///
  /// - Parameters:
  ///   - count: The number of images.
  ///   - batch: The images that are walked back together on all ranks, rounded up to whole groups.
  ///   - starts: x_T of at least `count` images, (n, h, w, c); nil: drawn from the seed.
  ///   - progress: Called with the share of this rank's steps that are done, from any worker.
  /// - Returns: The images on rank 0, (count, h, w, c), each scalar 0 … levels − 1; empty elsewhere.
  /// - Throws: `MPIError`, or `AgreedFailure` where the network's output is not finite.
  public func images(
    count: Int, batch: Int, starts: [Float]? = nil, progress: @Sendable (Double) -> Void
  ) throws -> [UInt8] {
    precondition(
      starts.map { $0.count >= count * denoiser.shape.count } ?? true,
      "Each image needs its start.")
    let groups = (count + Denoiser.groupSize - 1) / Denoiser.groupSize
    let groupsTogether = max(
      1, (min(batch, count) + Denoiser.groupSize - 1) / Denoiser.groupSize)
    let groupBytes = Denoiser.groupSize * denoiser.shape.count
    var result: [UInt8] = []
    let counter = Counter()
    let total =
      stride(from: 0, to: groups, by: groupsTogether).reduce(0) {
        $0 + share(of: $1..<min($1 + groupsTogether, groups)).count
      } * sampler.diffusion.schedule.steps
    for first in stride(from: 0, to: groups, by: groupsTogether) {
      let together = first..<min(first + groupsTogether, groups)
      let mine = share(of: together)
      let bytes = Mutex([UInt8](repeating: 0, count: mine.count * groupBytes))
      let isFinite = Atomic(true)
      let (denoiser, sampler) = (denoiser, sampler)
      workers.forEach(mine) { group, pool in
        let x = Self.start(group, starts, denoiser, sampler, pool)
        let images = group * Denoiser.groupSize..<(group + 1) * Denoiser.groupSize
        sampler.sample(x, images: images, pool: pool) { _ in
          progress(Double(counter.next() - 1) / Double(total))
        } network: { x, time in
          denoiser(x, times: Array(repeating: time, count: images.count), pool: pool)
        }
        guard x.scalars.allSatisfy(\.isFinite) else {
          isFinite.store(false, ordering: .relaxed)
          return
        }
        let pixels = x.scalars.map { Self.pixel($0, levels: denoiser.levels) }
        bytes.withLock {
          let offset = (group - mine.lowerBound) * groupBytes
          $0.replaceSubrange(offset..<offset + groupBytes, with: pixels)
        }
      }
      let failure =
        isFinite.load(ordering: .relaxed)
        ? nil
        : Failure(
          "the network's output is not finite: this checkpoint's run has diverged; "
            + "sample from an earlier one.", exitCode: ExitCode.badData)
      if let agreed = try communicator.agree(failure) { throw agreed }
      let gathered = try gather(bytes.withLock { $0 }, together, groupBytes)
      result.append(contentsOf: gathered)
    }
    return communicator.rank == 0 ? Array(result.prefix(count * denoiser.shape.count)) : []
  }

  /// The groups that this rank draws.
  private func share(of groups: Range<Int>, rank: Int? = nil) -> Range<Int> {
    let (rank, size) = (rank ?? communicator.rank, communicator.size)
    return groups.lowerBound + groups.count * rank / size..<groups.lowerBound + groups.count
      * (rank + 1) / size
  }

  /// x_T of one group; images beyond the given ones start at 0 and are thrown away.
  private static func start(
    _ group: Int, _ starts: [Float]?, _ denoiser: Denoiser, _ sampler: AncestralSampler,
    _ pool: BufferPool
  ) -> Tensor {
    let x = Tensor(denoiser.groupShape, in: pool)
    for n in 0..<Denoiser.groupSize {
      let image = group * Denoiser.groupSize + n
      guard let starts else {
        sampler.fillStart(x.image(n), image: image)
        continue
      }
      let scalars = image * denoiser.shape.count..<(image + 1) * denoiser.shape.count
      if scalars.upperBound <= starts.count {
        _ = x.image(n).update(from: starts[scalars])
      } else {
        x.image(n).update(repeating: 0)
      }
    }
    return x
  }

  /// The grey level nearest to a scalar of [−1, 1].
  private static func pixel(_ x: Float, levels: Int) -> UInt8 {
    let top = Float(levels - 1)
    return UInt8(min(max((x + 1) / 2 * top, 0), top).rounded())
  }

  /// Collects the groups of all ranks on rank 0.
  private func gather(
    _ bytes: [UInt8], _ groups: Range<Int>, _ groupBytes: Int
  ) throws(MPIError) -> [UInt8] {
    let counts = (0..<communicator.size).map { share(of: groups, rank: $0).count * groupBytes }
    var all = [UInt8](
      repeating: 0, count: communicator.rank == 0 ? groups.count * groupBytes : 0)
    try all.withUnsafeMutableBufferPointer { (all) throws(MPIError) in
      try bytes.withUnsafeBufferPointer { (part) throws(MPIError) in
        try communicator.gather(part, into: all, counts: counts, root: 0)
      }
    }
    return all
  }
}
