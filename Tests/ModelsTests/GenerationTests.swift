// What is made beside images from noise: variations, reconstructions, paintings, and their ways.

import Diffusion
import Foundation
import Layers
import Models
import Sampling
import Tensors
import TestSupport
import Testing

@Suite struct GenerationTests {
  private let pool = BufferPool()
  private let model = tinyModel()

  /// Images 8 … 15, or others, of a task.
  private func draw(
    _ images: Range<Int> = 8..<16, given: Tensor? = nil, frames: Int? = nil,
    model other: DenoisingDiffusion? = nil,
    _ change: (inout GenerationOptions) -> Void
  ) throws -> (drawn: Drawn, generation: any Generation) {
    var options = GenerationOptions()
    options.seed = 3
    change(&options)
    let model = other ?? model
    var generation = try model.generation(options)
    if let frames { generation = Trajectory(generation, shape: [4, 4, 1], frames: frames) }
    var evaluations = 0
    let drawn = try model.randomWeights().withUnsafeBufferPointer { weights in
      try generation.draw(images, given: given) {
        Pass(pool: pool, weights: weights.baseAddress!)
      } observe: { _ in
        evaluations += 1
      }
    }
    if let expected = generation.evaluations { #expect(evaluations == expected) }
    #expect(drawn.extras.count == generation.extras.count)
    for (floats, extra) in zip(drawn.extras, generation.extras) {
      #expect(floats.count == images.count * extra.count)
    }
    return (drawn, generation)
  }

  private var given: Tensor { greyImages(8, in: pool).images }

  // MARK: Variations

  /// A variation is the sampler on the first steps of the chain, from the image with their noise.
  @Test(
    arguments: ["ancestral", "ddim", "dpm-solver++", "heun", "predictor-corrector"], [1, 5, 8])
  func aVariationBeginsInTheMiddle(name: String, level: Int) throws {
    let (drawn, generation) = try draw(given: given, frames: 2) {
      ($0.task, $0.sampler) = (.variation(noiseLevel: level), name)
      $0.samplerOptions.steps = min(level, 3)
    }
    #expect(generation.facts["noise_level"] == .integer(level))
    let forward = model.diffusion.schedule.forwardCoefficients(level)
    let z = Tensor(given.shape, in: pool)
    SampleNoise(seed: 3, images: 8..<16).fillStart(z)
    #expect(drawn.images.scalars.allSatisfy { abs($0) <= 1 })
    for n in 0..<8 {
      #expect(drawn.extras[0][2 * n] == Float(level))
      for k in 0..<16 {
        let expected =
          forward.x0 * Double(given.image(n)[k]) + forward.noise * Double(z.image(n)[k])
        #expect(abs(Double(drawn.extras[1][2 * n * 16 + k]) - expected) < 1e-6)
      }
    }
  }

  @Test func aNoiseLevelIsAStep() {
    for level in [0, 9, -1] {
      #expect(throws: GenerationError.invalidNoiseLevel(level, steps: 8)) {
        try draw(given: given) { $0.task = .variation(noiseLevel: level) }
      }
    }
    #expect(throws: DiffusionError.invalidSubset(steps: 5, available: 4)) {
      try draw(given: given) {
        $0.task = .variation(noiseLevel: 4)
        $0.samplerOptions.steps = 5
      }
    }
  }

  // MARK: Reconstructions

  /// What x_T is told to be leads to the same image, and the error is that of the image.
  @Test func aReconstructionIsDecodedFromItsNoise() throws {
    let (drawn, generation) = try draw(given: given) { $0.task = .reconstruction }
    #expect(generation.extras.map(\.name) == ["x_T", "squared_error"])
    #expect(generation.evaluations == 16 && generation.facts["clipping"] == .integer(0))
    let decoded = try draw(0..<8) {
      $0.task = .images(from: .given(drawn.extras[0]))
      ($0.sampler, $0.clipping) = ("ddim", Clipping.none)
    }.drawn
    #expect(Array(decoded.images.scalars) == Array(drawn.images.scalars))
    for n in 0..<8 {
      let squares = zip(drawn.images.image(n), given.image(n)).reduce(0.0) {
        $0 + pow(Double($1.0) - Double($1.1), 2)
      }
      #expect(abs(squares / 16 - Double(drawn.extras[1][n])) < 1e-6 * max(1, squares))
    }
  }

  /// A network that sees nothing but x_0 = 0 loses all; one for which ε̂ is a constant, nothing.
  @Test func aConstantNoiseIsGoneBackExactly() throws {
    let model = tinyModel(prediction: .epsilon)
    var options = GenerationOptions()
    options.task = .reconstruction
    let generation = try model.generation(options)
    let drawn = try model.constantWeights([0.3]).withUnsafeBufferPointer { weights in
      try generation.draw(0..<8, given: given) {
        Pass(pool: pool, weights: weights.baseAddress!)
      } observe: { _ in
      }
    }
    for (x, y) in zip(drawn.images.scalars, given.scalars) { #expect(abs(x - y) < 1e-5) }
  }

  /// Where hardly anything is left of an image, a network that predicts the noise is not asked.
  @Test func encodingEndsWhereAnImageIsLeft() throws {
    let schedule = NoiseSchedule(.cosine, steps: 100)
    for prediction in [Prediction.epsilon, .v] {
      let model = tinyModel(prediction: prediction, schedule: schedule)
      var options = GenerationOptions()
      options.task = .reconstruction
      options.samplerOptions.steps = 10
      let generation = try model.generation(options)
      #expect(generation.evaluations == 20)
      guard prediction == .epsilon else {
        #expect(generation.notes.isEmpty && generation.facts["grid"] == .text("trailing"))
        continue
      }
      guard case .text(let grid) = generation.facts["grid"] else {
        Issue.record("\(generation.facts)")
        continue
      }
      let last = try #require(Int(grid.split(separator: ",")[0]))
      #expect(schedule.logSNR(last) >= -5.1 && schedule.logSNR(last + 1) < -5.1)
      #expect(generation.notes.count == 1 && generation.notes[0].contains("up to step \(last)"))
      options.samplerOptions.grid = .trailing
      #expect(try model.generation(options).notes.isEmpty)
    }
  }

  @Test func tasksNeedTheirSampler() {
    #expect(
      throws: GenerationError.samplerOfTask(task: "encode", needs: "ddim", chosen: "heun")
    ) {
      try draw(given: given) { ($0.task, $0.sampler) = (.reconstruction, "heun") }
    }
    #expect(throws: SamplerError.self) {
      try draw(given: given) {
        $0.task = .reconstruction
        $0.samplerOptions.eta = 0.5
      }
    }
    let mask = Array(repeating: true, count: 16)
    #expect(
      throws: GenerationError.samplerOfTask(task: "inpaint", needs: "ancestral", chosen: "ddim")
    ) {
      try draw(given: given) {
        ($0.task, $0.sampler) = (.inpainting(mask: mask, repeats: 1), "ddim")
      }
    }
    #expect(throws: SamplerError.foreignOption("eta", sampler: "ancestral")) {
      try draw(given: given) {
        $0.task = .inpainting(mask: mask, repeats: 1)
        $0.samplerOptions.eta = 0.5
      }
    }
  }

  // MARK: Painting

  @Test func paintingKeepsTheRest() throws {
    let mask = (0..<16).map { $0 % 4 < 2 }
    func images(_ numbers: Range<Int>) throws -> [Float] {
      Array(
        try draw(numbers, given: given) { $0.task = .inpainting(mask: mask, repeats: 2) }
          .drawn.images.scalars)
    }
    let painted = try images(8..<16)
    for (k, (x, y)) in zip(painted, given.scalars).enumerated() where !mask[k % 16] {
      #expect(x == y)
    }
    let other = try images(16..<24)
    #expect(zip(painted, other).enumerated().allSatisfy { mask[$0 % 16] || $1.0 == $1.1 })
    #expect(painted != other)
  }

  // MARK: Ways

  /// The first frame is x_T, the last x̂_0 the image; times fall.
  @Test(arguments: SamplerKind.all.map(\.name), [2, 5])
  func waysGoFromNoiseToTheImage(name: String, frames: Int) throws {
    let model = model.knowing(Array(repeating: 0.9, count: 8))
    func configure(_ options: inout GenerationOptions) {
      options.sampler = name
      if name == "rk45" { options.samplerOptions.tolerance = 1e-3 }
    }
    let (way, generation) = try draw(frames: frames, model: model, configure)
    let plain = try draw(model: model, configure).drawn
    #expect(Array(way.images.scalars) == Array(plain.images.scalars))
    #expect(generation.facts["trajectory"] == .integer(frames))
    #expect(generation.extras.map(\.name) == ["t", "x_t", "x_0"])
    let starts = Tensor(plain.images.shape, in: pool)
    SampleNoise(seed: 3, images: 8..<16).fillStart(starts)
    for n in 0..<8 {
      let times = Array(way.extras[0][n * frames..<(n + 1) * frames])
      #expect(times[0] == 8 && times.last! <= 2, "\(times)")
      #expect(zip(times, times.dropFirst()).allSatisfy { $0 >= $1 } || name == "rk45")
      let first = way.extras[1][n * frames * 16..<n * frames * 16 + 16]
      #expect(Array(first) == Array(starts.image(n)))
      guard name != "rk45" else { continue }
      let last = way.extras[2][((n + 1) * frames - 1) * 16..<(n + 1) * frames * 16]
      for (a, b) in zip(last, way.images.image(n)) { #expect(abs(a - b) < 1e-6) }
    }
  }

  /// The way of an image does not depend on the others of its group, which may take longer.
  @Test func theWayOfAnImageIsItsOwn() throws {
    func way(_ starts: [Float]) throws -> [[Float]] {
      let drawn = try draw(0..<8, frames: 6) {
        ($0.task, $0.sampler) = (.images(from: .given(starts)), "rk45")
        $0.samplerOptions.tolerance = 1e-3
      }.drawn
      return [
        Array(drawn.extras[0][0..<6]), Array(drawn.extras[1][0..<96]),
        Array(drawn.extras[2][0..<96]),
      ]
    }
    let some = (0..<128).map { Float($0 % 11) / 5 - 1 }
    var others = some
    for k in 16..<128 { others[k] *= 4 }
    let (one, other) = (try way(some), try way(others))
    #expect(one == other)
  }

  // MARK: Clipping

  /// The quantile is that of NumPy: of 0.5, 1, 1.5, 3 it is 2.25 at 5/6.
  @Test(arguments: [(5.0 / 6, 2.25), (1.0, 3), (1.0 / 3, 1), (0.01, 1)] as [(Double, Float)])
  func dynamicThresholdsAreQuantiles(share: Double, limit: Float) {
    var x: [Float] = [-0.5, 1, 1.5, -3]
    x.withUnsafeMutableBufferPointer { buffer in
      var span = buffer.mutableSpan
      Clipping.dynamic(share: share).apply(to: &span)
    }
    let expected = [-0.5, 1, 1.5, -3].map { max(min($0, limit), -limit) / limit }
    for (a, b) in zip(x, expected) { #expect(abs(a - b) < 1e-6, "\(x)") }
  }

  @Test func whatIsNoNumberStaysNone() {
    for clipping in [Clipping.none, .range, .dynamic(share: 0.9)] {
      var x: [Float] = [0, .nan, 2, 0.5]
      x.withUnsafeMutableBufferPointer { buffer in
        var span = buffer.mutableSpan
        clipping.apply(to: &span)
      }
      #expect(x[1].isNaN)
    }
  }

  /// A network that predicts the mean is refused between steps.
  @Test func aMeanIsKnownAtWholeSteps() throws {
    let model = tinyModel(prediction: .mean)
    for name in ["heun", "euler", "rk45"] {
      var options = GenerationOptions()
      options.sampler = name
      #expect(throws: SamplerError.wholeStepsOnly(sampler: name)) {
        try model.generation(options)
      }
    }
    var options = GenerationOptions()
    options.sampler = "unipc"
    _ = try model.generation(options)
  }
}
