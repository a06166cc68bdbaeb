// In what two checkpoints differ, by changes that are known.

import Storage
import Tensors
import Testing

@Suite struct CheckpointDifferenceTests {
  @Test func equalOnesDoNotDiffer() {
    #expect(CheckpointDifference(sampleCheckpoint(), sampleCheckpoint(provenance: [:])).isEmpty)
  }

  /// One scalar from −1 to −0.5 and one from +0 to −0, which are other bits of the same number.
  @Test func theLargestDifferencesAreFound() {
    var (first, second) = (sampleCheckpoint(), sampleCheckpoint())
    #expect(first.model[0] == -1)
    second.model[0] = -0.5
    (first.ema[4], second.ema[4]) = (0, -0.0)
    let difference = CheckpointDifference(first, second)
    #expect(difference.tensors.map(\.name) == ["average/time/1/W", "model/time/1/W"])
    #expect(difference.tensors.map(\.absolute) == [0, 0.5])
    #expect(difference.tensors.map(\.relative) == [0, 0.5])
    #expect(difference.structure.isEmpty && difference.numbers.isEmpty && !difference.isEmpty)
  }

  @Test func numbersAndFactsAreCompared() {
    let first = sampleCheckpoint()
    var second = sampleCheckpoint(step: 13)
    second.state["history"] = [3, 1, 5]
    second.facts = ModelFacts(
      name: "diffusion", texts: ["prediction": "v", "variance": "fixed-large"],
      tables: first.facts!.tables)
    second.validation = ValidationHistory(subject: "x", steps: [13], losses: [0.5])
    let difference = CheckpointDifference(first, second)
    #expect(
      difference.numbers.map(\.name) == [
        "diffusion/prediction", "progress/images_seen", "progress/step", "state/history",
        "validation/losses", "validation/steps", "validation/subject",
      ])
    #expect(difference.numbers[2].first == "12" && difference.numbers[2].second == "13")
    #expect(difference.numbers[4].first == "none" && difference.numbers[4].second == "[0.5]")
  }

  /// Long vectors of equal length that differ in one number.
  @Test func longVectorsAreCompared() {
    var (first, second) = (sampleCheckpoint(), sampleCheckpoint())
    first.state["history"] = Array(repeating: 1, count: 100)
    second.state["history"] = Array(repeating: 1, count: 99) + [Double(1).nextUp]
    #expect(CheckpointDifference(first, second).numbers.map(\.name) == ["state/history"])
  }

  @Test func structureIsCompared() {
    var (first, second) = (sampleCheckpoint(), sampleCheckpoint())
    var layout = ParameterLayout()
    layout.append("time/1/W", shape: [5, 3])
    layout.append("new/b", shape: [second.model.count - 15])
    second.layout = layout
    (first.firstMoment, second.averages) = ([], [0.5: second.model])
    #expect(
      CheckpointDifference(first, second).structure == [
        "time/1/W has the shape [3, 5] and [5, 3]", "down_0/block_0/conv1/W is in the first only",
        "conv_out/b is in the first only", "a_last/b is in the first only",
        "new/b is in the second only", "/averages/0.5 is in the second only",
        "/optimizer/first is in the second only",
      ])
  }
}
