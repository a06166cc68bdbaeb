// The seams: a second family, a few lines long, goes through the unchanged engine on any ranks.

import Foundation
import Layers
import Logging
import MPI
import Models
import Parallel
import Sampling
import Storage
import Synchronization
import Tensors
import TestSupport
import Testing
import Training

/// A linear 'autoencoder' without a code: x̂ = W x + b for each pixel, with a penalty on x̂ and a
/// history of squares that its loss is divided by.
///
/// It is no useful model. It has what no diffusion model has: two terms, a state, random numbers of
/// its own.
private struct TinyModel: Objective, Likelihood, Generator {
  let shape: ImageShape
  let parameters: ParameterRegistry
  private let weight: Parameter
  private let bias: Parameter
  var state: [String: [Double]] = ["history": [1, 0]]

  init(_ shape: ImageShape) {
    self.shape = shape
    var registry = ParameterRegistry()
    weight = registry.add(
      "code/W", [shape.channels, shape.channels], .glorot(fanIn: 4, fanOut: 4, scale: 1))
    bias = registry.add("code/b", [shape.channels], .constant(0))
    parameters = registry
  }

  let terms = ["error", "penalty"]
  let unit: String? = "nats"
  let sums = [SumVector("squares", count: 1), SumVector("by_class", count: 10)]
  let facts: ModelFacts? = ModelFacts(
    name: "tiny", texts: ["kind": "linear"], tables: ["scale": [0.5]])

  private func decode(_ x: Tensor, _ pass: Pass) -> Variable {
    let map = Convolution(
      kernel: 1, stride: 1, paddingBefore: 0, paddingAfter: 0, outputChannels: shape.channels)
    return pass.convolve(Variable(x), map, weight: weight, bias: bias)
  }

  func loss(_ batch: Batch, _ draws: Draws, _ pass: Pass) -> Losses {
    let (x, d) = (batch.images, batch.images.shape.imageCount)
    let noise = Tensor(x.shape, in: pass.pool)
    for n in 0..<batch.count { draws.stream(.noise, image: n, index: 3).fillNormal(noise.image(n)) }
    let y = decode(x, pass)
    let scale = 1 / state["history"]![0]
    let mean = 1 / Double(batch.count * d)
    var squares = 0.0
    // Two losses of one variable, one after the other.
    let error = pass.loss(of: y) { gradients in
      var sum = 0.0
      for i in 0..<x.shape.count {
        let e = y.value.pointer[i] - x.pointer[i] - 0.1 * noise.pointer[i]
        gradients.first?.pointer[i] = Float(2 * mean * scale) * e
        sum += Double(e * e)
      }
      squares = sum
      return sum * mean * scale
    }
    let penalty = pass.loss(of: y) { gradients in
      var sum = 0.0
      for i in 0..<x.shape.count {
        let v = y.value.pointer[i]
        gradients.first?.pointer[i] = Float(0.02 * mean) * v
        sum += Double(v * v)
      }
      return 0.01 * sum * mean
    }
    var byClass = [Double](repeating: 0, count: 10)
    for label in batch.labels { byClass[label] += 1 }
    return Losses(terms: [error, penalty], sums: [[squares], byClass])
  }

  mutating func absorb(_ sums: [[Double]]) {
    let history = state["history"]!
    state["history"] = [0.5 * history[0] + 0.5 * (1 + sums[0][0] * 1e-3), history[1] + 1]
  }

  func evaluation(_ options: EvaluationOptions) throws -> any Evaluation {
    if options.method != nil {
      throw Failure("this model has no methods.", exitCode: ExitCode.usage)
    }
    return Cost(model: self)
  }

  /// The cost of an image: a squared error that is blurred by noise, and its class.
  private struct Cost: Evaluation {
    let model: TinyModel
    let width = 2
    let evaluations: Int? = 1
    let facts: [String: Fact] = ["kind": .text("linear")]
    let notes: [String] = []

    func measure(
      _ batch: Batch, _ draws: Draws, _ makePass: () -> Pass, progress: () -> Void
    ) -> [[Double]] {
      let y = model.decode(batch.images, makePass()).value
      defer { progress() }
      return (0..<batch.count).map { n in
        let noise = Double(draws.stream(.noise, image: n, index: 7).integer(below: 1000))
        let error = zip(y.image(n), batch.images.image(n)).reduce(0.0) {
          $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1))
        }
        return [error + noise, Double(batch.labels[n])]
      }
    }

    func results(of measurements: Measurements) -> EvaluationResults {
      EvaluationResults([
        .init("cost", terms: ["error", "class"], images: measurements.count) {
          measurements[$0, $1]
        }
      ])
    }
  }

  func generation(_ options: GenerationOptions) throws -> any Generation {
    if options.sampler != nil {
      throw Failure("this model has no samplers.", exitCode: ExitCode.usage)
    }
    return Drawing(model: self, seed: options.seed)
  }

  /// Images that are the model's answer to noise.
  private struct Drawing: Generation {
    let model: TinyModel
    let seed: UInt64
    let evaluations: Int? = 1
    let facts: [String: Fact] = ["kind": .text("linear")]
    let notes: [String] = []

    func draw(
      _ images: Range<Int>, given: Tensor?, _ makePass: () -> Pass,
      observe: (Observation) -> Void
    ) -> Drawn {
      let pass = makePass()
      let shape = model.shape
      let x = Tensor(Shape(images.count, shape.height, shape.width, shape.channels), in: pass.pool)
      SampleNoise(seed: seed, images: images).fillStart(x)
      let y = model.decode(x, pass).value
      observe(Observation(xt: x, t: Array(repeating: 1, count: images.count), x0: y))
      return Drawn(y)
    }
  }
}

@RankActor @Suite(.serialized) struct SeamRankTests {
  private func plan(_ world: Communicator, shards: Int) throws -> TrainingPlan {
    var configuration = Configuration.tiny
    configuration.training.shards = shards
    configuration.training.batch = 3 * shards
    configuration.conditioning.condition = .class
    return try TrainingPlan(configuration, rankCount: world.size) {
      TinyModel($0.data.shape!)
    }
  }

  private func trainer(_ world: Communicator, shards: Int, workers: Int = 1) throws -> Trainer {
    try Trainer(
      plan: try plan(world, shards: shards), communicator: world,
      workers: Workers(count: workers))
  }

  /// Terms, sums and state have the bits of one rank, and travel through a checkpoint.
  @Test func aSecondFamilyTrains() throws {
    try RankWorld.run { world throws in
      let shards = 4 * world.size
      let alone = try trainer(world.alone(), shards: shards)
      let together = try trainer(world, shards: shards, workers: 2)
      var losses: [Double] = []
      for step in 0..<4 {
        let (expected, actual) = (try alone.trainStep(), try together.trainStep())
        #expect(actual.losses == expected.losses && actual.gradientNorm == expected.gradientNorm)
        #expect(Set(actual.losses.terms.keys) == ["error", "penalty"])
        #expect(actual.losses.sums["by_class"]!.reduce(0, +) == Double(3 * shards))
        #expect(alone.objective.state == together.objective.state)
        #expect(together.objective.state["history"]![1] == Double(step + 1))
        losses.append(actual.losses.total)
      }
      #expect(bits(alone.weights.values) == bits(together.weights.values))
      #expect(Set(losses).count == 4)

      // Through the bytes of a file, to a trainer that has not taken a step.
      let saved = try together.wholeCheckpoint()
      let decoded = try saved.map { try Checkpoint.decode($0.encoded()) }
      #expect(decoded == saved)
      #expect(saved?.facts?.name ?? "tiny" == "tiny")
      let resumed = try trainer(world, shards: shards)
      try resumed.restore(ResumePoint.share(decoded, world)!, decoded)
      #expect(resumed.objective.state == together.objective.state)
      let (expected, actual) = (try together.trainStep(), try resumed.trainStep())
      #expect(actual.losses == expected.losses)
      #expect(bits(resumed.weights.values) == bits(together.weights.values))
    }
  }

  /// What a model keeps beside its weights is there again when it draws; and is refused where it is
  /// another model's.
  @Test func theStateIsLoaded() throws {
    try RankWorld.run { world throws in
      let trainer = try trainer(world, shards: 4 * world.size)
      for _ in 0..<2 { _ = try trainer.trainStep() }
      let saved = try trainer.wholeCheckpoint()
      let folder = try TemporaryFolder()
      let path = folder.file("step.h5")
      func model(_ configuration: Configuration) -> TinyModel {
        TinyModel(configuration.data.shape!)
      }
      func read() throws -> TrainedModel.Source {
        try TrainedModel.read(path: path, .ema, { _ in }, makeModel: model)
      }
      try saved?.write(to: path)
      let loaded = try TrainedModel.share(
        world.rank == 0 ? try read() : nil, world, makeModel: model)
      #expect(loaded.step == 2 && loaded.trained.model.state == trainer.objective.state)
      #expect(loaded.trained.model.state["history"]![1] == 2)
      guard var forged = saved else { return }
      for (state, reason) in [
        (["history": [1]], "/state/history has the length 1, not 2"),
        ([:], "/state/history is missing"),
        (
          ["history": [1, 0], "more": [3]],
          "/state/more is nothing that this model keeps"
        ),
      ] as [([String: [Double]], String)] {
        forged.state = state
        try forged.write(to: path)
        #expect(throws: StorageError.badData(path: path, reason: reason)) { try read() }
      }
    }
  }

  /// The sum of the gradient's two losses is what training descends along: the penalty alone would
  /// shrink W, the error alone lead to the identity.
  @Test func trainingDescendsAlongBothTerms() throws {
    try RankWorld.run { world throws in
      var configuration = Configuration.tiny
      configuration.training.shards = 4 * world.size
      configuration.training.batch = 24 * world.size
      configuration.conditioning.condition = .class
      (configuration.optimizer.learningRate, configuration.optimizer.warmupSteps) = (0.1, 0)
      configuration.optimizer.clipNorm = 1e9
      let trainer = try Trainer(
        plan: TrainingPlan(configuration, rankCount: world.size) { TinyModel($0.data.shape!) },
        communicator: world, workers: Workers(count: 1))
      for _ in 0..<150 { _ = try trainer.trainStep() }
      let weights = trainer.weights.values
      // The minimum: about 1/(1 + 0.01 · history).
      #expect(weights[0] > 0.5 && weights[0] < 1.05, "\(weights)")
    }
  }

  @Test func aSecondFamilyIsEvaluated() throws {
    try RankWorld.run { world throws in
      let plan = try plan(world, shards: 4 * world.size)
      let trained = TrainedModel(
        plan.objective, weights: plan.objective.parameters.initialWeights(seed: 1),
        plan.configuration.data)
      func bound(_ communicator: Communicator, _ count: Int, workers: Int) throws -> [Double] {
        let evaluation = try trained.require((any Likelihood).self, to: "be evaluated")
          .evaluation(EvaluationOptions())
        let done = Atomic(0)
        let numbers = try DatasetEvaluation(
          trained, evaluation, plan.conditions, seed: 5
        ).measure(
          plan.dataset, 0..<count,
          ImageGroups(communicator: communicator, workers: Workers(count: workers))
        ) { done.add(1, ordering: .relaxed) }
        #expect(communicator.size > 1 || done.load(ordering: .relaxed) == (count + 7) / 8)
        return numbers
      }
      let expected = try bound(world.alone(), 53, workers: 1)
      #expect(expected.count == 106)
      let actual = try bound(world, 53, workers: 3)
      #expect(actual == (world.rank == 0 ? expected : []))
      // An image costs the same whatever is evaluated beside it.
      #expect(try bound(world.alone(), 9, workers: 1) == Array(expected[..<18]))
      let labels = plan.dataset.labels!
      #expect((0..<53).allSatisfy { expected[2 * $0 + 1] == Double(labels[$0]) })
      #expect(Set((0..<53).map { Int(expected[2 * $0]) }).count > 40)
    }
  }

  /// What an ended evaluation has kept is taken over, and only the rest is measured.
  @Test func anEvaluationGoesOnWhereItWas() throws {
    try RankWorld.run { world throws in
      let folder = try TemporaryFolder()
      let path = try world.broadcast(folder.file("work.h5"), from: 0)
      let plan = try plan(world, shards: 4 * world.size)
      let trained = TrainedModel(
        plan.objective, weights: plan.objective.parameters.initialWeights(seed: 1),
        plan.configuration.data)
      let evaluation = try trained.require((any Likelihood).self, to: "be evaluated")
        .evaluation(EvaluationOptions())
      func run(seed: UInt64, workFile: String?) -> EvaluationRun {
        EvaluationRun(
          trained, evaluation,
          EvaluationRequest(
            plan.dataset, 100..<153, plan.conditions, seed: seed, workFile: workFile),
          ImageGroups(communicator: world, workers: Workers(count: 2)),
          logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
      }
      let whole = try run(seed: 5, workFile: nil).measure()
      #expect(whole.count == (world.rank == 0 ? 53 : 0))
      // Marked numbers show that they were not measured again.
      var kept = Array(whole.values.prefix(32))
      if world.rank == 0 {
        kept[0] = -1
        try UnfinishedEvaluation(
          identity: run(seed: 5, workFile: path).identity, width: 2, numbers: kept
        ).write(to: path)
      }
      try world.barrier()
      let resumed = try run(seed: 5, workFile: path).measure()
      if world.rank == 0 {
        #expect(resumed.values == kept + whole.values.dropFirst(32))
      }
      // With another seed it is another evaluation.
      #expect(throws: AgreedFailure.self) { try run(seed: 6, workFile: path).measure() }
      try world.barrier()
      run(seed: 5, workFile: path).finish()
      #expect(!FileManager.default.fileExists(atPath: path))
    }
  }

  /// Costs that are no numbers end an evaluation on all ranks.
  @Test func aDivergedModelIsNotEvaluated() throws {
    try RankWorld.run { world throws in
      let plan = try plan(world, shards: 4 * world.size)
      let count = plan.objective.parameters.layout.count
      let trained = TrainedModel(
        plan.objective, weights: Array(repeating: .nan, count: count), plan.configuration.data)
      let evaluation = try trained.require((any Likelihood).self, to: "be evaluated")
        .evaluation(EvaluationOptions())
      let error = #expect(throws: AgreedFailure.self) {
        try DatasetEvaluation(
          trained, evaluation, plan.conditions, seed: 5
        ).measure(
          plan.dataset, 0..<40,
          ImageGroups(communicator: world, workers: Workers(count: 1))
        ) {}
      }
      #expect(error?.failure.exitCode == ExitCode.badData)
    }
  }

  @Test func aSecondFamilyDraws() throws {
    try RankWorld.run { world throws in
      let plan = try plan(world, shards: 4 * world.size)
      let trained = TrainedModel(
        plan.objective, weights: plan.objective.parameters.initialWeights(seed: 1),
        plan.configuration.data)
      func images(_ communicator: Communicator, batch: Int, workers: Int) throws -> [UInt8] {
        try ImageSampler(
          trained, GenerationOptions(),
          ImageGroups(communicator: communicator, workers: Workers(count: workers))
        ).images(count: 21, together: batch) { _ in }
      }
      let expected = try images(world.alone(), batch: 100, workers: 1)
      #expect(expected.count == 21 * 64 && Set(expected).count > 3)
      let actual = try images(world, batch: 8, workers: 2)
      #expect(actual == (world.rank == 0 ? expected : []))
      var options = GenerationOptions()
      options.sampler = "ddim"
      #expect(throws: Failure.self) {
        try ImageSampler(
          trained, options, ImageGroups(communicator: world, workers: Workers(count: 1)))
      }
    }
  }

  /// A model that is no likelihood and no generator says so.
  @Test func whatAFamilyCannotDoIsRefused() throws {
    struct Mute: Objective {
      let parameters = ParameterRegistry()
      let terms: [String] = []
      func loss(_ batch: Batch, _ draws: Draws, _ pass: Pass) -> Losses { Losses(terms: []) }
    }
    try RankWorld.run { world throws in
      let images = ImageShape(height: 4, width: 4, channels: 1)
      let trained = TrainedModel(Mute(), weights: [], facts(of: images, levels: 17))
      let groups = ImageGroups(communicator: world, workers: Workers(count: 1))
      #expect(throws: Failure.self) {
        try trained.require((any Likelihood).self, to: "be evaluated")
      }
      #expect(throws: Failure.self) { try ImageSampler(trained, GenerationOptions(), groups) }
    }
  }
}
