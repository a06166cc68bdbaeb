// Which settings may change when a run goes on.

import Testing
import Training

@Suite struct ResumingTests {
  /// A run's configuration as its checkpoint holds it: nothing is `auto`.
  private var old: Configuration {
    var configuration = Configuration()
    (configuration.data.height, configuration.data.width, configuration.data.imageChannels) = (
      8, 8, 1
    )
    (configuration.data.levels, configuration.data.valueRange) = (17, [])
    configuration.training.shards = 8
    (configuration.validation.heldOut, configuration.validation.images) = (0, 64)
    configuration.optimizer.learningRateSteps = 2000
    return configuration
  }
  private func yaml(_ configuration: Configuration) -> String {
    configuration.yaml(roles: [.model, .training])
  }

  @Test func autoTakesOverWhatTheRunHas() throws {
    var configuration = Configuration()
    try configuration.continueRun(of: yaml(old))
    #expect(configuration == old)
  }

  @Test(arguments: Configuration.settings.map(\.key))
  func onlyTheModelIsFixed(key: String) throws {
    let setting = try #require(Configuration.settings.first { $0.key == key })
    var configuration = old
    try configuration.apply(assignment: "\(key)=\(SettingTests.others[key]!)")
    let changed = configuration
    if setting.role == .model {
      let error = #expect(throws: ConfigurationError.self) {
        try configuration.continueRun(of: yaml(old))
      }
      #expect(error?.source == key)
      #expect(error?.reason.contains(setting.value(in: changed)) == true)
      #expect(error?.reason.contains(setting.value(in: old)) == true)
    } else {
      try configuration.continueRun(of: yaml(old))
      #expect(configuration == changed)
    }
  }

  /// What decides which random numbers and which images a step sees.
  @Test func rolesOfTheSettingsThatReproduceARun() {
    let fixed = Set(Configuration.settings.filter { $0.role == .model }.map(\.key))
    #expect(
      fixed.isSuperset(of: ["seed", "batch", "shards", "flip", "diffusion_steps", "held_out"]))
    let free = Configuration.settings.filter { $0.role == .execution }.map(\.key)
    #expect(
      Set(free) == [
        "name", "data", "data_group", "workers", "memory", "validation", "hang_timeout",
        "compare_weights_every",
      ])
  }

  /// Lists that begin alike are compared to their end.
  @Test func longListsAreComparedWhole() throws {
    var before = old
    before.network.attention = Array(repeating: 1000, count: 15) + [1]
    var after = before
    after.network.attention[15] = 2
    let error = #expect(throws: ConfigurationError.self) {
      try after.continueRun(of: yaml(before))
    }
    #expect(error?.source == "attention")
  }

  /// Checkpoints of the first version do not say the range of continuous images.
  @Test func whatAnOldRunDoesNotSayIsNoDifference() throws {
    var before = old
    (before.data.levels, before.data.valueRange) = (0, nil)
    var now = before
    now.data.valueRange = [0, 1]
    try now.continueRun(of: yaml(before))
    #expect(now.data.valueRange == [0, 1])
  }

  /// Nor do they say that all images were trained on.
  @Test func anOldRunHasHeldOutNothing() throws {
    var before = old
    before.validation = ValidationSettings()
    let yaml = yaml(before).split(separator: "\n").filter { !$0.hasPrefix("held_out") }
      .joined(separator: "\n")
    var now = old
    now.validation.heldOut = nil
    try now.continueRun(of: yaml)
    #expect(now.validation.heldOut == 0)
    now.validation.heldOut = 5
    let error = #expect(throws: ConfigurationError.self) { try now.continueRun(of: yaml) }
    #expect(error?.source == "held_out")
  }

  /// The end of the cosine schedule is the run's; one without it may be given one.
  @Test func theEndOfTheScheduleStays() throws {
    var now = Configuration()
    now.training.steps = 3000
    try now.continueRun(of: yaml(old))
    #expect(now.optimizer.learningRateSteps == 2000)
    var before = old
    before.optimizer.learningRateSteps = nil
    now = Configuration()
    try now.continueRun(of: yaml(before))
    #expect(now.optimizer.learningRateSteps == nil)
    now.optimizer.learningRateSteps = 5000
    try now.continueRun(of: yaml(before))
    #expect(now.optimizer.learningRateSteps == 5000)
  }

  /// Checkpoints from before there were schedules.
  @Test func anOldRunHasNoSchedule() throws {
    let keys = ["learning_rate_", "weight_decay", "average_lengths", "average_every"]
    let text = yaml(old).split(separator: "\n").filter { line in
      !keys.contains { line.hasPrefix($0) }
    }.joined(separator: "\n")
    var now = old
    now.training.steps = 3000
    try now.continueRun(of: text)
    #expect(now.optimizer.learningRateSchedule == .constant)
  }

  @Test func aDamagedConfigurationIsRefused() {
    var configuration = Configuration()
    let error = #expect(throws: ConfigurationError.self) {
      try configuration.continueRun(of: "batch: 8\nstep: 4")
    }
    #expect(error?.source == "the checkpoint's configuration:2")
  }
}
