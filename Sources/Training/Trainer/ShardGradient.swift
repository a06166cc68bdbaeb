import Diffusion
import Foundation
import Layers
import Tensors

/// The work of one worker: the loss and gradient of one shard of one step.
///
/// It runs on one thread, whose loops others may help with, and draws its random numbers from
/// (seed, step, shard, position), so that it has the same bits on whichever worker of whichever rank.
package struct ShardGradient: Sendable {
  let network: UNet
  let diffusion: GaussianDiffusion
  let objective: Configuration.Objective
  let flips: Bool
  let seed: UInt64
  let profile: OperationProfile?

  /// The work on one network's shards.
  package init(
    network: UNet, diffusion: GaussianDiffusion, objective: Configuration.Objective, flips: Bool,
    seed: UInt64, profile: OperationProfile? = nil
  ) {
    self.network = network
    self.diffusion = diffusion
    self.objective = objective
    self.flips = flips
    self.seed = seed
    self.profile = profile
  }

  /// Computes the gradient of the shard's mean loss into `gradient`, whatever that holds.
  ///
  /// - Parameters:
  ///   - images: x_0, (n, h, w, c) in [−1, 1]; mirrored in place where the coin says so.
  ///   - step: The number of steps done before.
  ///   - shard: The number of the shard.
  ///   - weights: The parameter buffer.
  ///   - finished: Called now and then on the way back with the element from which to its end the
  ///     gradient is final.
  /// - Returns: The mean loss of the shard's images.
  package func compute(
    into gradient: UnsafeMutablePointer<Float>, images: Tensor, step: Int, shard: Int,
    weights: UnsafePointer<Float>, pool: BufferPool, finished: (_ downTo: Int) -> Void = { _ in }
  ) -> Double {
    let noisy = Tensor(images.shape, in: pool)
    var steps: [Int] = []
    profile.measure(.batch) {
      for n in 0..<images.shape.n {
        if flips, stream(.flip, step, shard, n).coin() { mirror(images.image(n), images.shape) }
        let t = 1 + stream(.timestep, step, shard, n).integer(below: diffusion.schedule.steps)
        diffuse(images.image(n), t, stream(.noise, step, shard, n), into: noisy.image(n), pool)
        steps.append(t)
      }
    }
    let pass = Pass(
      pool: pool, weights: weights, gradient: gradient,
      dropoutStreams: (0..<images.shape.n).map { stream(.dropout, step, shard, $0) },
      profile: profile)
    let times = steps.map { diffusion.schedule.networkTime($0) }
    let output = network(Variable(noisy), times: times, pass)
    let loss = pass.loss(output) { output, gradient in
      evaluate(steps, clean: images, noisy: noisy, output: output, gradient: gradient)
    }
    pass.backward(finished)
    return loss
  }

  private func stream(
    _ purpose: RandomStream.Purpose, _ step: Int, _ shard: Int, _ position: Int
  ) -> RandomStream {
    RandomStream(seed: seed, purpose: purpose, step: step, shard: shard, position: position)
  }

  /// x_t = √ᾱ_t x_0 + √(1−ᾱ_t) ε of one image (Ho, Jain, Abbeel 2020, equation 4).
  private func diffuse(
    _ clean: UnsafeMutableBufferPointer<Float>, _ t: Int, _ stream: RandomStream,
    into noisy: UnsafeMutableBufferPointer<Float>, _ pool: BufferPool
  ) {
    let noise = Tensor(Shape(1, 1, 1, clean.count), in: pool)
    stream.fillNormal(noise.scalars)
    var result = noisy.mutableSpan
    diffusion.forward(t: t, clean: clean.span, noise: noise.scalars.span, into: &result)
  }

  /// Swaps left and right of one image.
  private func mirror(_ image: UnsafeMutableBufferPointer<Float>, _ shape: Shape) {
    for row in 0..<shape.h {
      for column in 0..<shape.w / 2 {
        let left = (row * shape.w + column) * shape.c
        let right = (row * shape.w + shape.w - 1 - column) * shape.c
        for channel in 0..<shape.c { image.swapAt(left + channel, right + channel) }
      }
    }
  }

  /// The mean loss of the images, and its gradient with respect to the network's output.
  private func evaluate(
    _ steps: [Int], clean: Tensor, noisy: Tensor, output: Tensor, gradient: Tensor
  ) -> Double {
    var losses: [Double] = []
    for (n, t) in steps.enumerated() {
      var slope = gradient.image(n).mutableSpan
      let (x0, xt, y) = (clean.image(n).span, noisy.image(n).span, output.image(n).span)
      let factor: Double
      switch objective {
      case .simple:
        losses.append(
          diffusion.simpleTerm(t: t, clean: x0, noisy: xt, output: y, gradient: &slope))
        factor = 1
      case .bound:
        // T times a term of uniform t, and L_T: an unbiased estimate of the whole bound.
        let term = diffusion.boundTerm(t: t, clean: x0, noisy: xt, output: y, gradient: &slope)
        let nats = Double(diffusion.schedule.steps) * term + diffusion.terminalTerm(clean: x0)
        losses.append(bitsPerDimension(nats: nats, dimensions: x0.count))
        factor = bitsPerDimension(
          nats: Double(diffusion.schedule.steps), dimensions: x0.count)
      }
      let scale = Float(factor / Double(steps.count))
      for i in slope.indices { slope[i] *= scale }
    }
    return losses.reduce(0, +) / Double(steps.count)
  }
}
