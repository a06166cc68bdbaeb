import Diffusion
import Layers
import Parallel
import Storage
import Tensors

/// A trained network with everything that its output means: what sampling and comparison need.
public struct Denoiser: Sendable {
  /// The number of images that the network is always given together.
  ///
  /// A matrix product may round otherwise when it has other extents. So images are evaluated in
  /// groups of this size, filled up where fewer are asked for, and the output of an image depends
  /// neither on how many others there are nor on where they are computed (decision 0004).
  public static let groupSize = 8

  /// The network.
  public let network: UNet
  /// The process that the network was trained for.
  public let diffusion: GaussianDiffusion
  /// The extents of an image.
  public let shape: ImageShape
  let weights: AlignedFloats
  private let preparedKernels = PreparedKernels()
  /// Where the time of the network's operations is noted; nil where nobody asks.
  public var profile: OperationProfile?

  /// A network with its weights, the whole parameter buffer.
  public init(
    network: UNet, diffusion: GaussianDiffusion, weights: AlignedFloats
  ) {
    precondition(
      weights.count == network.parameters.layout.count,
      "The weights must fill the network's parameter buffer.")
    self.network = network
    self.diffusion = diffusion
    self.weights = weights
    shape = ImageShape(
      height: network.configuration.height, width: network.configuration.width,
      channels: network.configuration.imageChannels)
  }

  /// The grey levels of an image: those of the training data, or 256 where they were continuous.
  public var levels: Int { diffusion.levels ?? 256 }

  /// The extents of one group of images.
  public var groupShape: Shape {
    Shape(Self.groupSize, shape.height, shape.width, shape.channels)
  }

  /// The raw output for one group of noisy images.
  ///
  /// - Parameters:
  ///   - x: The noisy images, of extents `groupShape`.
  ///   - times: The network time of each image, 0 … T − 1.
  ///   - pool: The memory of the calling worker.
  public func callAsFunction(_ x: Tensor, times: [Int], pool: BufferPool) -> Tensor {
    precondition(x.shape == groupShape, "The network is given whole groups of images.")
    let pass = Pass(
      pool: pool, weights: UnsafePointer(weights.elements.baseAddress!), profile: profile,
      preparedKernels: preparedKernels)
    return network(Variable(x), times: times, pass).value
  }

  /// The raw outputs for any number of noisy images, computed by the workers.
  ///
  /// - Parameters:
  ///   - x: The noisy images, (n, h, w, c).
  ///   - times: The network time of each image, 0 … T − 1.
  ///   - progress: Called with the number of groups done and their total, from any worker.
  /// - Returns: The outputs, (n, h, w, c).
  public func predict(
    _ x: [Float], times: [Int], workers: Workers,
    progress: @Sendable (_ done: Int, _ total: Int) -> Void
  ) -> [Float] {
    precondition(x.count == times.count * shape.count, "Each image needs its time.")
    let outputs = AlignedFloats(count: x.count)
    let groups = (times.count + Self.groupSize - 1) / Self.groupSize
    let counter = Counter()
    workers.forEach(0..<groups) { group, pool in
      let images = group * Self.groupSize..<min((group + 1) * Self.groupSize, times.count)
      let scalars = images.lowerBound * shape.count..<images.upperBound * shape.count
      let input = Tensor(groupShape, in: pool)
      input.scalars.update(repeating: 0)
      _ = input.scalars.update(from: x[scalars])
      let padding = [Int](repeating: 0, count: Self.groupSize - images.count)
      let output = self(input, times: Array(times[images]) + padding, pool: pool)
      for i in scalars { outputs.elements[i] = output.pointer[i - scalars.lowerBound] }
      progress(counter.next(), groups)
    }
    return outputs.values
  }
}
