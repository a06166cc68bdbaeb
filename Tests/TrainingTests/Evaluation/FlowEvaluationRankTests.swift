// Likelihoods by the flow are the same wherever they are computed.

import Diffusion
import Layers
import MPI
import Models
import Parallel
import Storage
import Tensors
import TestSupport
import Testing
import Training

@RankActor @Suite(.serialized) struct FlowEvaluationRankTests {
  /// A tiny network with random weights, and a dataset of images for it.
  private func trained(
    _ world: Communicator, schedule: NoiseSchedule? = nil, weight: Float? = nil
  ) throws -> (TrainedModel, ImageDataset) {
    var configuration = Configuration.tiny
    configuration.training.shards = 4 * world.size
    configuration.training.batch = 12 * world.size
    let plan = try TrainingPlan(configuration, rankCount: world.size)
    let model = tinyModel(
      images: plan.configuration.data.shape!,
      GaussianDiffusion(
        schedule: schedule ?? NoiseSchedule(.linear(from: 0.01, to: 0.5), steps: 8),
        prediction: .v, levels: 17))
    let count = model.parameters.layout.count
    let weights = weight.map { Array(repeating: $0, count: count) }
    return (
      TrainedModel(
        model, weights: weights ?? normals(count, seed: 3, scale: 0.3), plan.configuration.data),
      plan.dataset
    )
  }

  private func evaluation(_ trained: TrainedModel) throws -> any Evaluation {
    var options = EvaluationOptions()
    (options.method, options.tolerance) = ("flow", 1e-2)
    return try trained.require((any Likelihood).self, to: "be evaluated").evaluation(options)
  }

  /// The costs of images, and how often the network was asked.
  private func numbers(
    _ communicator: Communicator, _ trained: TrainedModel, _ dataset: ImageDataset,
    _ part: Range<Int>, workers: Int = 1
  ) throws -> [Double] {
    try DatasetEvaluation(trained, try evaluation(trained), seed: 5).measure(
      dataset, part, ImageGroups(communicator: communicator, workers: Workers(count: workers))
    ) {}
  }

  @Test func ranksAndWorkersChangeNothing() throws {
    try RankWorld.run { world throws in
      let (trained, dataset) = try trained(world)
      let expected = try numbers(world.alone(), trained, dataset, 0..<37)
      #expect(expected.count == 74 && expected.allSatisfy { $0.isFinite })
      #expect((0..<37).allSatisfy { Int(expected[2 * $0 + 1]) % 6 == 2 })
      #expect(Set((0..<37).map { expected[2 * $0] }).count == 37)
      let actual = try numbers(world, trained, dataset, 0..<37, workers: 3)
      #expect(actual == (world.rank == 0 ? expected : []))
      let fewer = try numbers(world, trained, dataset, 0..<9, workers: 2)
      #expect(fewer == (world.rank == 0 ? Array(expected[..<18]) : []))
    }
  }

  /// A process that leaves nothing of an image is followed as far as there is a flow.
  @Test func theFlowBeginsWhereSomethingIsLeft() throws {
    try RankWorld.run { world throws in
      let (trained, dataset) = try trained(world, schedule: NoiseSchedule(betas: [0.1, 0.5, 1]))
      let evaluation = try evaluation(trained)
      #expect(
        evaluation.notes == [
          "Nothing is left of an image at step 3, where a flow cannot begin: it begins at step 2."
        ])
      #expect(evaluation.facts["steps"] == .integer(2))
      let numbers = try numbers(world.alone(), trained, dataset, 0..<2)
      #expect(numbers.count == 4 && numbers.allSatisfy { $0.isFinite })
    }
  }

  /// All ranks learn which image it is.
  @Test func aDivergedNetworkIsRefused() throws {
    try RankWorld.run { world throws in
      let (trained, dataset) = try trained(world, weight: .nan)
      let error = #expect(throws: AgreedFailure.self) {
        try numbers(world, trained, dataset, 16..<24)
      }
      #expect(error?.failure.exitCode == ExitCode.badData)
      #expect(error?.description.contains("for image 16 is not finite") == true)
    }
  }
}
