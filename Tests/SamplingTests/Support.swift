// Samplers that are given a network of a line of arithmetic.

import Diffusion
import Sampling
import Tensors

extension Sampler {
  /// The images that a sampler makes, (n, 2, 3, 1).
  ///
  /// - Parameters:
  ///   - images: Their numbers.
  ///   - shape: The extents of one; 2 × 3 × 1 where none are given.
  ///   - starts: x_T of images 0, 1, …; nil: drawn.
  ///   - network: The raw output for a scalar of x_t at step t.
  func images(
    _ images: Range<Int>, _ diffusion: GaussianDiffusion, seed: UInt64, clipping: Bool,
    shape: Shape = Shape(1, 2, 3, 1), starts: [Float]? = nil,
    network: (_ xt: Float, _ t: Int) -> Float
  ) -> [Float] {
    let pool = BufferPool()
    let x = Tensor(Shape(images.count, shape.h, shape.w, shape.c), in: pool)
    let noise = SampleNoise(
      seed: seed, images: images, start: starts.map(SampleStart.given) ?? .drawn)
    noise.fillStart(x)
    try! run(x, noise, pool) { xt, t in
      let step = Int(t[0])
      let output = xt.scalars.map { network($0, step) }
      let x0 = Tensor(xt.shape, in: pool)
      var span = x0.scalars.mutableSpan
      diffusion.predictedX0(
        t: step, xt: xt.scalars.span, output: output.span, clipping: clipping, into: &span)
      return Denoised(x0: x0)
    }
    return Array(x.scalars)
  }
}

/// The standard normals of one image of `count` scalars for one purpose.
func drawn(
  _ count: Int, seed: UInt64, _ purpose: RandomStream.Purpose, step: Int = 0, image: Int
) -> [Double] {
  var scalars = [Float](repeating: 0, count: count)
  scalars.withUnsafeMutableBufferPointer {
    RandomStream(seed: seed, purpose: purpose, step: step, shard: image).fillNormal($0)
  }
  return scalars.map(Double.init)
}

/// Data of independent scalars N(mean, deviation²), for which the best network is known.
struct GaussianData {
  let mean: Double
  let deviation: Double

  /// E[ε | x_t] = √(1−ᾱ) (x_t − √ᾱ m)/(ᾱ s² + 1 − ᾱ).
  func epsilon(_ xt: Float, _ t: Int, _ schedule: NoiseSchedule) -> Float {
    let bar = schedule.cumulativeAlpha(t)
    let scale = (1 - bar).squareRoot() / (bar * deviation * deviation + 1 - bar)
    return Float(scale * (Double(xt) - bar.squareRoot() * mean))
  }
}
