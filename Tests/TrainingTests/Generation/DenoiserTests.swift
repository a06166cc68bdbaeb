// A network's output does not depend on what it is computed beside.

import Diffusion
import Layers
import Parallel
import Tensors
import TestSupport
import Testing
import Training

@Suite struct DenoiserTests {
  private let pool = BufferPool()
  private let count = 11
  private var times: [Int] { (0..<count).map { $0 % 5 } }
  private var x: [Float] { normals(count * 16, seed: 8) }

  /// The network's output for any number of images at once.
  private func direct(_ denoiser: Denoiser, _ x: [Float], _ times: [Int]) -> [Float] {
    let shape = Shape(times.count, 4, 4, 1)
    return normals(denoiser.network.parameters.layout.count, seed: 3, scale: 0.3)
      .withUnsafeBufferPointer {
        let pass = Pass(pool: pool, weights: $0.baseAddress!)
        return Array(
          denoiser.network(Variable(Tensor(shape, x, in: pool)), times: times, pass).value.scalars)
      }
  }

  @Test func predictionsAreTheNetworks() {
    let denoiser = tinyDenoiser()
    let predicted = denoiser.predict(x, times: times, workers: Workers(count: 2)) { _, _ in }
    let expected = direct(denoiser, x, times)
    #expect(predicted.count == expected.count)
    #expect(zip(predicted, expected).allSatisfy { abs($0 - $1) < 1e-5 * max(1, abs($1)) })
    #expect(Set(predicted).count > count)
    // A whole group goes through the network as it is.
    let group = denoiser.predict(
      Array(x[..<128]), times: Array(times[..<8]), workers: Workers(count: 1)
    ) { _, _ in }
    #expect(bits(group) == bits(direct(denoiser, Array(x[..<128]), Array(times[..<8]))))
  }

  @Test func anImageDoesNotDependOnTheOthers() {
    let denoiser = tinyDenoiser()
    let all = denoiser.predict(x, times: times, workers: Workers(count: 3)) { _, _ in }
    for image in 0..<count {
      let scalars = image * 16..<(image + 1) * 16
      let alone = denoiser.predict(
        Array(x[scalars]), times: [times[image]], workers: Workers(count: 1)
      ) { _, _ in }
      #expect(bits(alone) == bits(all[scalars]))
    }
  }

  @Test func progressCountsTheGroups() {
    let denoiser = tinyDenoiser()
    let seen = Collected<Int>()
    _ = denoiser.predict(x, times: times, workers: Workers(count: 2)) { done, total in
      seen.append(done)
      #expect(total == 2)
    }
    #expect(seen.values.sorted() == [1, 2])
    #expect(denoiser.predict([], times: [], workers: Workers(count: 2)) { _, _ in } == [])
  }

  @Test func levelsAreTheDatas() {
    #expect(tinyDenoiser().levels == 17)
    let continuous = GaussianDiffusion(schedule: NoiseSchedule(.cosine, steps: 3), levels: nil)
    #expect(tinyDenoiser(diffusion: continuous).levels == 256)
  }
}
