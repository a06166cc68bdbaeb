// What a trained model promises: weights of its own, passes over them, and what it can be asked.

import MPI
import Models
import Tensors
import TestSupport
import Testing
import Training

@Suite struct TrainedModelTests {
  private let pool = BufferPool()

  private func output(_ trained: TrainedModel) throws -> [Float] {
    let model = try trained.require(DenoisingDiffusion.self, to: "predict")
    let x = Tensor(Shape(8, 4, 4, 1), normals(128, seed: 8), in: pool)
    return Array(
      model.output(x, times: [0, 1, 2, 3, 4, 0, 1, 2], trained.makePass(pool)).scalars)
  }

  /// Whoever gave the weights may do with them what they like.
  @Test func theWeightsAreItsOwn() throws {
    let model = tinyModel()
    var weights = normals(model.parameters.layout.count, seed: 3, scale: 0.3)
    let trained = TrainedModel(
      model, weights: weights, facts(of: model.network.images, levels: 17))
    let before = try output(trained)
    for i in weights.indices { weights[i] = .nan }
    #expect(bits(try output(trained)) == bits(before))
    #expect(bits(try output(tinyTrained())) == bits(before))
    #expect(before.allSatisfy(\.isFinite) && Set(before).count > 100)
  }

  @Test func whatAModelIsNotIsRefused() throws {
    let error = #expect(throws: Failure.self) {
      try tinyTrained().require(Int.self, to: "count")
    }
    #expect(error?.message.contains("cannot count") == true && error?.exitCode == ExitCode.usage)
  }

  @Test func theFormatIsTheDatas() {
    #expect(tinyTrained().format == .levels(17))
    #expect(tinyTrained().shape == ImageShape(height: 4, width: 4, channels: 1))
    // Checkpoints that do not say the range of continuous images.
    var settings = facts(of: ImageShape(height: 4, width: 4, channels: 1), levels: nil)
    settings.valueRange = nil
    #expect(settings.format == .range(-1...1))
  }
}
