import Diffusion
import Tensors

/// The reverse process: from noise x_T to an image x_0, one step of the chain at a time.
///
/// Image i is a function of (network, chain, seed, i) alone: its noise comes from streams of its
/// own index. Source: Ho, Jain, Abbeel 2020, algorithm 2.
public struct AncestralSampler: Sendable {
  /// The chain that is walked back, and what the network's output means in it.
  public let diffusion: GaussianDiffusion
  /// The seed of x_T and of the noise of every step.
  public let seed: UInt64
  /// Whether the predicted x_0 is forced into [−1, 1] before each step.
  public let clipping: Bool

  /// A sampler of one chain.
  public init(diffusion: GaussianDiffusion, seed: UInt64, clipping: Bool = true) {
    self.diffusion = diffusion
    self.seed = seed
    self.clipping = clipping
  }

  /// Fills x_T of one image with its standard normals.
  public func fillStart(_ x: UnsafeMutableBufferPointer<Float>, image: Int) {
    RandomStream(seed: seed, purpose: .start, shard: image).fillNormal(x)
  }

  /// Walks x from x_T to x_0 in place.
  ///
  /// - Parameters:
  ///   - x: x_T, later x_0, (n, h, w, c).
  ///   - images: The index of each of the n images.
  ///   - pool: The memory of the calling worker.
  ///   - step: Called before each step with the number of steps done; may throw to stop.
  ///   - network: The raw output, (n, h, w, c), for x_t and its network time 0 … T − 1.
  public func sample<Failure: Error>(
    _ x: Tensor, images: Range<Int>, pool: BufferPool, step: (Int) throws(Failure) -> Void,
    network: (_ x: Tensor, _ time: Int) throws(Failure) -> Tensor
  ) throws(Failure) {
    precondition(images.count == x.shape.n, "Each image needs its index.")
    let noise = Tensor(Shape(1, x.shape.h, x.shape.w, x.shape.c), in: pool)
    let previous = Tensor(noise.shape, in: pool)
    for t in stride(from: diffusion.schedule.steps, through: 1, by: -1) {
      try step(diffusion.schedule.steps - t)
      let output = try network(x, diffusion.schedule.networkTime(t))
      for (n, image) in images.enumerated() {
        if t > 1 {
          RandomStream(seed: seed, purpose: .reverse, step: t, shard: image)
            .fillNormal(noise.scalars)
        }
        var result = previous.scalars.mutableSpan
        diffusion.reverseStep(
          t: t, noisy: x.image(n).span, output: output.image(n).span, noise: noise.scalars.span,
          clipping: clipping, into: &result)
        x.image(n).baseAddress!.update(from: previous.pointer, count: previous.shape.count)
      }
    }
  }
}
