// What models are told of images: from captions to tokens, and the settings between.

import Layers
import MPI
import Models
import Storage
import Tensors
import TestSupport
import Testing
import Training

@Suite struct ConditionsTests {
  private let folder = try! TemporaryFolder()

  /// Eight images of the digits' size, each with two captions.
  private func dataset(
    _ captions: [[String]] = (0..<8).map { ["a \($0 % 2)", "one \($0 % 2) there"] }
  ) throws -> ImageDataset {
    let path = folder.file("told.h5")
    let writer = try ImageDatasetWriter(
      output: path, shape: ImageShape(height: 8, width: 8, channels: 1), format: .levels(17),
      name: "told", captionsPerImage: captions[0].count)
    try writer.append(
      images: [UInt8](repeating: 3, count: 64 * captions.count), captions: captions)
    _ = try writer.finish()
    return try ImageDataset(path: path)
  }

  private func settings(_ change: (inout ConditioningSettings) -> Void = { _ in })
    -> ConditioningSettings
  {
    var settings = ConditioningSettings()
    settings.condition = .text
    change(&settings)
    return settings
  }

  /// The tokenizer is learned once, stands in the settings, and is not learned again.
  @Test func theTokenizerIsASetting() throws {
    var configuration = Configuration()
    configuration.conditioning.condition = .text
    configuration.conditioning.merges = 5
    configuration.data.path = try dataset().path
    configuration.training.batch = 8
    let plan = try TrainingPlan(configuration, rankCount: 1)
    let pairs = try #require(plan.configuration.conditioning.tokenPairs)
    #expect(pairs.count == 10)
    var again = Configuration()
    try again.apply(yaml: plan.configuration.yaml(), source: "its own")
    #expect(again.conditioning == plan.configuration.conditioning)
    // Other captions would give other pairs; a run that goes on keeps its own.
    configuration.data.path = try dataset((0..<8).map { _ in ["something else", "zzz zzz"] }).path
    try configuration.continueRun(of: plan.configuration.yaml())
    #expect(
      try TrainingPlan(configuration, rankCount: 1).configuration.conditioning.tokenPairs == pairs)
  }

  /// A guide must mean the same by what it is told.
  @Test func modelsAreToldTheSame() {
    let own = settings { $0.tokenPairs = [97, 98] }
    #expect(own.tellsAs(settings { ($0.tokenPairs, $0.captionDrop) = ([97, 98], 0.5) }))
    #expect(!own.tellsAs(settings { $0.tokenPairs = [98, 97] }))
    #expect(ConditioningSettings().tellsAs(own) && !own.tellsAs(ConditioningSettings()))
    var (cats, dogs) = (ConditioningSettings(), ConditioningSettings())
    (cats.condition, dogs.condition) = (.class, .class)
    (cats.classNames, dogs.classNames) = (["cat", "dog"], ["dog", "cat"])
    #expect(cats.tellsAs(cats) && !cats.tellsAs(dogs))
  }

  /// A caption is told as its tokens; one that is too long, or none, is refused.
  @Test func captionsAreRead() throws {
    let reader = try PromptReader(settings { ($0.tokenPairs, $0.context) = ([97, 98], 5) })
    let shown = try ShownConditions(prompts: ["  ab c", "abab"], reader)
    #expect(
      shown.conditions == [.tokens([256, 258, 32, 99, 257]), .tokens([256, 258, 258, 257])])
    for (prompt, words) in [("abcdef", "7 tokens"), (" ", "is empty"), ("a\0", "zero byte")] {
      let error = #expect(throws: Failure.self) { try ShownConditions(prompts: [prompt], reader) }
      #expect(error?.message.contains(words) == true, "\(String(describing: error))")
    }
  }

  /// Each visit of an image chooses one of its captions, by the random numbers of the visit alone.
  @Test func aVisitChoosesACaption() throws {
    let dataset = try dataset()
    var settings = settings { $0.tokenPairs = [] }
    let conditions = try ImageConditions(dataset, settings)
    let reader = try PromptReader(settings)
    let told = try ShownConditions(
      prompts: ["a 0", "one 0 there", "a 1", "one 1 there"], reader
    ).conditions
    var counts = [0, 0, 0, 0]
    for step in 0..<100 {
      let draws = Draws(seed: 1, step: step, shard: 0, of: 1)
      let visit = conditions.conditions(of: [4, 7], draws)
      #expect(visit == conditions.conditions(of: [4, 7], draws))
      #expect(told[..<2].contains(visit[0]) && told[2...].contains(visit[1]))
      for condition in visit { counts[told.firstIndex(of: condition)!] += 1 }
    }
    #expect(counts.allSatisfy { (30...70).contains($0) }, "\(counts)")
    #expect(conditions.examples(3)?.words.count == 3)
    let other = try self.dataset((0..<8).map { ["a \($0 % 2)", "one \($0 % 2) here"] })
    #expect(
      try ImageConditions(other, settings).checksum != conditions.checksum
        && ImageConditions.none.checksum.isEmpty)
    settings.context = 5
    let error = #expect(throws: StorageError.self) { try ImageConditions(dataset, settings) }
    #expect(error?.reason.contains("reads at most 5; shorten it, or set a larger context") == true)
  }

  /// What a network is told must be told by the dataset.
  @Test func whatIsNotThereCannotBeTold() throws {
    for (condition, words) in [
      (ConditioningSettings.Condition.text, "no captions"), (.class, "no labels"),
    ] {
      var settings = ConditioningSettings()
      settings.condition = condition
      settings.classNames = ["a"]
      let writer = try ImageDatasetWriter(
        output: folder.file("plain.h5"), shape: ImageShape(height: 8, width: 8, channels: 1),
        name: "plain")
      try writer.append(images: [UInt8](repeating: 3, count: 64))
      _ = try writer.finish()
      let plain = try ImageDataset(path: folder.file("plain.h5"))
      let error = #expect(throws: StorageError.self) { try ImageConditions(plain, settings) }
      #expect(error?.reason.contains(words) == true)
    }
  }
}
