// The names of a checkpoint's weights.

import Testing
import Training

@Suite struct WeightKindTests {
  @Test(arguments: [
    ("average", WeightKind.ema), ("model", .model), ("average_0.05", .power(length: 0.05)),
    ("average_0.125", .power(length: 0.125)),
  ])
  func namesAreReadAndWritten(name: String, kind: WeightKind) {
    #expect(WeightKind(rawValue: name) == kind && kind.rawValue == name)
  }

  @Test func oneLengthHasOneName() {
    #expect(WeightKind(rawValue: "average_0.050")?.rawValue == "average_0.05")
    #expect(WeightKind(rawValue: "average_5e-2")?.rawValue == "average_0.05")
  }

  @Test(arguments: [
    "", "ema", "Average", "average_", "average_x", "average_1", "average_-0.1", "average_nan",
    "average0.05", "average_0.05 ",
  ])
  func otherNamesAreNone(name: String) {
    #expect(WeightKind(rawValue: name) == nil)
  }
}
