// Drawn images are the same whatever is drawn with them, and where.

import Diffusion
import Foundation
import MPI
import Models
import Parallel
import Sampling
import Storage
import Tensors
import TestSupport
import Testing
import Training

@RankActor @Suite(.serialized) struct ImageSamplerRankTests {
  private func images(
    _ communicator: Communicator, _ trained: TrainedModel = tinyTrained(), count: Int, batch: Int,
    workers: Int = 1, seed: UInt64 = 1, starts: [Float]? = nil,
    progress: @Sendable (Double) -> Void = { _ in },
    change: (inout GenerationOptions) -> Void = { _ in }
  ) throws -> [UInt8] {
    var options = GenerationOptions()
    options.seed = seed
    options.task = .images(from: starts.map(SampleStart.given) ?? .drawn)
    change(&options)
    return try ImageSampler(
      trained, options,
      ImageGroups(communicator: communicator, workers: Workers(count: workers))
    ).images(count: count, together: batch, progress: progress)
  }

  @Test func anImageDependsOnItsIndexAlone() throws {
    try RankWorld.run { world throws in
      let alone = try world.alone()
      let expected = try images(alone, count: 37, batch: 1000)
      #expect(expected.count == 37 * 16)
      let distinct = Set((0..<37).map { Array(expected[($0 * 16)..<($0 * 16 + 16)]) })
      #expect(distinct.count == 37)
      for (count, batch, workers) in [(37, 8, 3), (37, 1, 2), (5, 5, 1), (16, 24, 2), (1, 64, 4)] {
        let together = try images(world, count: count, batch: batch, workers: workers)
        #expect(together == (world.rank == 0 ? Array(expected[..<(count * 16)]) : []))
      }
      let reseeded = try images(alone, count: 2, batch: 8, seed: 2)
      #expect(reseeded != Array(expected[..<32]))
    }
  }

  @Test func aLargeBatchIsNoFault() throws {
    try RankWorld.run { world throws in
      let some = try images(world, count: 3, batch: .max)
      #expect(some.count == (world.rank == 0 ? 48 : 0))
      #expect(try images(world, count: 0, batch: 8) == [])
    }
  }

  @Test func startsAreRespected() throws {
    try RankWorld.run { world throws in
      let drawnStarts = Tensor(Shape(11, 4, 4, 1), in: BufferPool())
      SampleNoise(seed: 1, images: 0..<11).fillStart(drawnStarts)
      var starts = Array(drawnStarts.scalars)
      let drawn = try images(world, count: 11, batch: 8)
      let given = try images(world, count: 11, batch: 8, starts: starts)
      #expect(given == drawn)
      let fewer = try images(world, count: 10, batch: 8, starts: starts)
      #expect(fewer == Array(drawn.prefix(160)))
      for i in 3 * 16..<4 * 16 { starts[i] = -starts[i] }
      let changed = try images(world, count: 11, batch: 8, starts: starts)
      let differing = Set(drawn.indices.filter { drawn[$0] != changed[$0] }.map { $0 / 16 })
      #expect(differing == (world.rank == 0 ? [3] : []))
    }
  }

  /// A network that outputs ε = 0 at a chain of one small step leaves x as it is.
  @Test(arguments: [(17, 16), (256, 255), (2, 1)])
  func scalarsBecomeTheNearestLevel(levels: Int, top: Int) throws {
    try RankWorld.run { world throws in
      let diffusion = GaussianDiffusion(schedule: NoiseSchedule(betas: [1e-9]), levels: levels)
      let trained = tinyTrained(diffusion) { _ in 0 }
      let step = 2 / Float(top)
      let starts: [Float] = [
        -1, 1, -5, 1e30, -1e30, -1 + 0.49 * step, -1 + 0.51 * step, 1 - 0.49 * step,
        1 - 0.51 * step, -0.0, -1 + step, 1 - step, 1.0001, -1.0001, 0.999, -0.999,
      ]
      let expected = starts.map { x -> UInt8 in
        UInt8(((min(1, max(-1, Double(x))) + 1) / 2 * Double(top)).rounded())
      }
      let pixels = try images(world, trained, count: 1, batch: 1, starts: starts)
      #expect(pixels == (world.rank == 0 ? expected : []))
    }
  }

  /// All ranks learn of it, also those that drew nothing.
  @Test func aDivergedNetworkIsRefused() throws {
    try RankWorld.run { world throws in
      let trained = tinyTrained { _ in .nan }
      let error = #expect(throws: AgreedFailure.self) {
        try images(world, trained, count: 8, batch: 8)
      }
      #expect(error?.failure.exitCode == ExitCode.badData)
      #expect(error?.description.contains("not finite") == true)
    }
  }

  @Test func progressGoesFromZeroTowardsOne() throws {
    try RankWorld.run { world throws in
      let shares = Collected<Double>()
      let batch = 2 * ImageGroups.size * world.size
      _ = try images(
        world, count: 3 * batch, batch: batch, workers: 2, progress: { shares.append($0) })
      let sorted = shares.values.sorted()
      #expect(sorted.first! > 0 && sorted.last! == 1 && sorted.count == 3 * 2 * 5)
      #expect(Set(sorted).count == sorted.count)
    }
  }

  /// Continuous images come as floats in the range of the data.
  @Test func continuousImagesKeepTheirRange() throws {
    try RankWorld.run { world throws in
      let diffusion = GaussianDiffusion(schedule: NoiseSchedule(betas: [1e-9]), levels: nil)
      let trained = tinyTrained(diffusion) { _ in 0 }
      #expect(trained.format == .range(-2...6))
      let starts = (0..<16).map { Float($0) / 10 - 0.75 }
      let bytes = try images(world, trained, count: 1, batch: 1, starts: starts)
      let values = bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
      #expect(values.count == (world.rank == 0 ? 16 : 0))
      for (value, x) in zip(values, starts) { #expect(abs(value - (2 + 4 * x)) < 1e-5) }
    }
  }

  /// Every sampler of the list, through the same engine: one image depends on its number alone.
  @Test(arguments: SamplerKind.all.map(\.name)) func everySamplerIsDealt(name: String) throws {
    try RankWorld.run { world throws in
      @RankActor func drawn(_ communicator: Communicator, _ count: Int, batch: Int, workers: Int)
        throws
        -> [UInt8]
      {
        try images(
          communicator, count: count, batch: batch, workers: workers,
          change: {
            $0.sampler = name
            $0.samplerOptions.steps = name == "rk45" ? 50 : 3
            $0.samplerOptions.eta = name.hasSuffix("ddim") ? 0.5 : nil
            $0.samplerOptions.tolerance = name == "rk45" ? 1e-2 : nil
          })
      }
      let expected = try drawn(world.alone(), 19, batch: 100, workers: 1)
      let actual = try drawn(world, 19, batch: 8, workers: 2)
      #expect(actual == (world.rank == 0 ? expected : []))
      let whole = try images(world.alone(), count: 19, batch: 100)
      #expect(expected != whole)
    }
  }
}
