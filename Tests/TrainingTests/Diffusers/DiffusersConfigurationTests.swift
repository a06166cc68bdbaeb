// Configurations of diffusers: what is written, what is read, and what is refused.

import Diffusion
import Foundation
import Layers
import Models
import Storage
import Tensors
import TestSupport
import Testing
import Training

@Suite struct DiffusersConfigurationTests {
  private let folder = try! TemporaryFolder()

  private func file(_ value: JSONValue) throws -> DiffusersSettings {
    let text = value.string(pretty: true)
    return try DiffusersSettings(path: folder.write(Array(text.utf8), to: "config.json"))
  }

  private func changed(_ value: JSONValue, _ key: String, _ new: JSONValue?) throws -> JSONValue {
    guard case .object(var object) = value else { throw CocoaError(.coderInvalidValue) }
    object[key] = new
    return .object(object)
  }

  private static let cifar10 = DiffusersUNet(
    network: UNetConfiguration(), images: ImageShape(height: 32, width: 32, channels: 3),
    outputChannels: 3, classRows: nil)

  /// What the published google/ddpm-cifar10-32 says, but for its version.
  @Test func theNetworkOfCIFAR10() throws {
    let published: JSONValue = .object([
      "_class_name": "UNet2DModel", "act_fn": "silu", "attention_head_dim": nil,
      "block_out_channels": .list([128, 256, 256, 256]), "center_input_sample": false,
      "down_block_types": .list([
        "DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D",
      ]), "downsample_padding": 0, "flip_sin_to_cos": false, "freq_shift": 1, "in_channels": 3,
      "layers_per_block": 2, "mid_block_scale_factor": 1, "norm_eps": 1e-6,
      "norm_num_groups": 32, "out_channels": 3, "sample_size": 32,
      "time_embedding_type": "positional",
      "up_block_types": .list(["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"]),
    ])
    guard case .object(let expected) = published, case .object(let own) = try Self.cifar10.file()
    else { throw CocoaError(.coderInvalidValue) }
    for (key, value) in expected { #expect(own[key] == value, "\(key)") }
    var network = Self.cifar10
    // Its file does not say dropout, which is none there.
    network.network.dropout = 0
    #expect(try DiffusersUNet(file(published), size: nil) == network)
  }

  @Test(arguments: [
    ([1, 2, 4], 2, [16, 8], 1, 3), ([1], 1, [], 1, 3), ([1, 1], 3, [32], 4, 6),
    ([1, 2], 1, [16], 2, 6),
  ]) func networksComeBack(
    _ multipliers: [Int], blocks: Int, attention: [Int], heads: Int, outputs: Int
  ) throws {
    var network = UNetConfiguration()
    (network.multipliers, network.blocks) = (multipliers, blocks)
    (network.attention, network.heads) = (attention, heads)
    for (classes, width) in [(nil, 32), (11, 64)] {
      let unet = DiffusersUNet(
        network: network, images: ImageShape(height: 32, width: width, channels: 3),
        outputChannels: outputs, classRows: classes)
      #expect(try DiffusersUNet(file(unet.file()), size: nil) == unet)
    }
  }

  /// Heads of one width, the time as scale and shift, and residual blocks that change the resolution.
  @Test func theShapeOfDhariwalAndNicholComesBack() throws {
    var unet = DiffusersUNet(
      network: UNetConfiguration(), images: ImageShape(height: 32, width: 32, channels: 3),
      outputChannels: 6, classRows: 4)
    (unet.network.headChannels, unet.network.attention) = (64, [32, 8])
    (unet.network.residualResize, unet.network.scaleShift) = (true, true)
    let file = try unet.file()
    guard case .object(let values) = file else { throw CocoaError(.coderInvalidValue) }
    #expect(values["attention_head_dim"] == 64 && values["attn_norm_num_groups"] == 32)
    #expect(
      values["down_block_types"]
        == .list([
          "AttnDownBlock2D", "ResnetDownsampleBlock2D", "AttnDownBlock2D",
          "ResnetDownsampleBlock2D",
        ]))
    #expect(values["resnet_time_scale_shift"] == "scale_shift")
    #expect(values["downsample_type"] == "resnet" && values["upsample_type"] == "resnet")
    #expect(try DiffusersUNet(self.file(file), size: nil) == unet)
    // diffusers leaves attention in the middle without its normalisation where this is not said.
    for (key, value) in [
      ("attn_norm_num_groups", .null), ("upsample_type", "conv"), ("attention_head_dim", 96),
      ("up_block_types", .list(["UpBlock2D", "AttnUpBlock2D", "UpBlock2D", "AttnUpBlock2D"])),
    ] as [(String, JSONValue)] {
      let other = try self.file(changed(file, key, value))
      let error = #expect(throws: StorageError.self) { try DiffusersUNet(other, size: nil) }
      let named = key == "upsample_type" ? "downsample_type" : key
      #expect(error?.reason.hasPrefix("\(named) is ") == true, "\(String(describing: error))")
    }
  }

  @Test func whatCannotBeSaid() throws {
    var unet = Self.cifar10
    unet.network.heads = 2
    #expect(throws: Never.self) { try unet.file() }
    unet.network.attention = [32]
    #expect(throws: DiffusersError.unequalHeads(heads: 2, widths: [128, 256])) {
      try unet.file()
    }
    unet.network.multipliers = [2, 2, 2, 2]
    #expect(throws: DiffusersError.firstMultiplier(2)) { try unet.file() }
    var settings = DiffusionSettings()
    settings.prediction = .mean
    #expect(throws: DiffusersError.meanPrediction) {
      try DiffusersScheduler.file(settings, settings.chain())
    }
    settings.prediction = .v
    settings.steps = 200_000
    settings.schedule = .quadratic
    settings.betaEnd = 1e-3
    #expect(throws: DiffusersError.tooManySteps(200_000)) {
      try DiffusersScheduler.file(
        settings, NoiseSchedule(betas: Array(repeating: 1e-5, count: 200_000)))
    }
  }

  /// Each key that must have its value is refused by its name where it has another, or where it is
  /// missing and diffusers' default is another.
  @Test(
    arguments: [
      ("act_fn", "gelu"), ("add_attention", false), ("attention_head_dim", 96),
      ("freq_shift", nil),
      ("flip_sin_to_cos", nil), ("norm_eps", nil), ("downsample_padding", nil),
      ("center_input_sample", true), ("class_embed_type", "identity"),
      ("downsample_type", "resnet"),
      ("upsample_type", "resnet"), ("mid_block_scale_factor", 2), ("mid_block_type", .null),
      ("resnet_time_scale_shift", "spatial"), ("time_embedding_type", "learned"),
      ("resnet_skip_time_act", true), ("time_embedding_dim", 4), ("attn_norm_num_groups", 16),
      ("block_out_channels", .list([128, 192, 256, 256])), ("block_out_channels", .list([1e300])),
      ("block_out_channels", .list([])), ("layers_per_block", 1e9), ("in_channels", 0),
      ("out_channels", 4), ("sample_size", .list([32])), ("sample_size", .null), ("dropout", 1),
      ("down_block_types", .list(["DownBlock2D"])), ("num_class_embeds", 0),
      ("up_block_types", .list(["AttnUpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D"])),
      ("_class_name", "UNet2DConditionModel"), ("norm_num_groups", .null),
    ] as [(String, JSONValue?)]) func otherNetworksAreRefused(_ key: String, _ value: JSONValue?)
    throws
  {
    let bad = try changed(Self.cifar10.file(), key, value)
    let settings = try file(bad)
    let error = #expect(throws: StorageError.self) { try DiffusersUNet(settings, size: nil) }
    guard case .badData(_, let reason) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(reason.hasPrefix("\(key) is "))
    #expect(reason.contains(value == nil ? "is missing, which means" : "is \(value!.shown);"))
    #expect(error?.description.contains("\n") == false)
  }

  /// The padding of a stride that is not there changes nothing.
  @Test func oneResolutionHasNoStride() throws {
    var unet = Self.cifar10
    (unet.network.multipliers, unet.network.attention) = ([1], [])
    let file = try file(changed(unet.file(), "downsample_padding", 1))
    #expect(try DiffusersUNet(file, size: nil) == unet)
  }

  // MARK: The process

  private func scheduler(
    _ file: JSONValue, base: DiffusionSettings? = nil, learnsVariance: Bool = false
  ) throws -> DiffusersScheduler {
    try DiffusersScheduler(self.file(file), base: base, learnsVariance: learnsVariance)
  }

  /// Without its words, a schedule comes back as numbers; with them, as it was.
  @Test(arguments: DiffusionSettings.Schedule.allCases, [false, true])
  func processesComeBack(_ schedule: DiffusionSettings.Schedule, isZero: Bool) throws {
    var settings = DiffusionSettings()
    (settings.schedule, settings.steps) = (schedule, 20)
    (settings.prediction, settings.zeroTerminalSNR) = (.v, isZero)
    if schedule == .list { settings.betas = (1...20).map { 0.01 * Double($0) } }
    let chain = try settings.chain()
    let file = try DiffusersScheduler.file(settings, chain)
    let (alone, known) = (try scheduler(file), try scheduler(file, base: settings))
    #expect(try alone.settings.chain() == chain)
    #expect(known.settings == settings)
    #expect(alone.clips)
    guard case .object(let values) = file else { throw CocoaError(.coderInvalidValue) }
    #expect((values["trained_betas"] == .null) == (schedule == .linear && !isZero))
    #expect(values["rescale_betas_zero_snr"] == .flag(chain.hasZeroTerminalSNR))
    // Of other numbers, the words of the base are not kept.
    var other = settings
    other.steps = 30
    if schedule != .list {
      #expect(try scheduler(file, base: other).settings.chain() == chain)
    }
  }

  @Test(
    arguments: [
      (Prediction.epsilon, "epsilon"), (.x0, "sample"), (.v, "v_prediction"),
    ],
    [
      (ReverseVariance.fixedLarge, "fixed_large"), (.fixedSmall, "fixed_small"),
      (.learned, "learned_range"),
    ]) func words(_ prediction: (Prediction, String), _ variance: (ReverseVariance, String)) throws
  {
    var settings = DiffusionSettings()
    (settings.prediction, settings.variance) = (prediction.0, variance.0)
    if variance.0 == .learned { settings.objective = .bound }
    let file = try DiffusersScheduler.file(settings, settings.chain())
    guard case .object(let values) = file else { throw CocoaError(.coderInvalidValue) }
    #expect(values["prediction_type"] == .text(prediction.1))
    #expect(values["variance_type"] == .text(variance.1))
    let learns = variance.0 == .learned
    #expect(try scheduler(file, base: settings, learnsVariance: learns).settings == settings)
    // Without a base, it is trained towards what teaches it.
    let alone = try scheduler(file, learnsVariance: learns).settings
    #expect(alone.variance == variance.0 && alone.objective == (learns ? .hybrid : .simple))
    let error = #expect(throws: StorageError.self) { try scheduler(file, learnsVariance: !learns) }
    #expect(error?.reason.hasPrefix("variance_type is ") == true)
  }

  /// log σ² = f log β_t + (1−f) log β̃_t with f = (v + 1)/2, as diffusers' `learned_range`, for every t
  /// at which it draws noise.
  @Test func theLearnedVarianceIsTheirs() throws {
    let chain = NoiseSchedule(.ho, steps: 50)
    for t in 2...50 {
      let ends = chain.logVarianceEnds(t)
      let before = chain.cumulativeAlpha(t - 1)
      let variance =
        (1 - before) / (1 - chain.cumulativeAlpha(t)) * (1 - chain.cumulativeAlpha(t) / before)
      #expect(abs(ends.small - log(variance)) < 1e-9)
      #expect(abs(ends.large - log(1 - chain.cumulativeAlpha(t) / before)) < 1e-9)
    }
  }

  @Test(
    arguments: [
      ("_class_name", "FlowMatchEulerDiscreteScheduler"), ("prediction_type", "flow"),
      ("variance_type", "fixed_large_log"), ("variance_type", "learned"), ("thresholding", true),
      ("beta_schedule", "laplace"), ("trained_betas", .list([0.1, 0.2])),
      ("trained_betas", .list(["a"])), ("num_train_timesteps", 1), ("num_train_timesteps", 1e300),
      ("beta_start", 0), ("clip_sample_range", 3), ("rescale_betas_zero_snr", true),
    ] as [(String, JSONValue)]) func otherProcessesAreRefused(_ key: String, _ value: JSONValue)
    throws
  {
    let good: JSONValue = .object(["_class_name": "DDPMScheduler"])
    #expect(throws: Never.self) { try scheduler(good) }
    let bad = try changed(good, key, value)
    let error = #expect(throws: StorageError.self) { try scheduler(bad) }
    #expect(
      error?.reason.hasPrefix("\(key) is \(value.shown)") == true, "\(String(describing: error))")
    #expect(error?.description.contains("\n") == false)
  }

  /// Those that have no variance of their own.
  @Test func otherSchedulers() throws {
    let file: JSONValue = .object(["_class_name": "DDIMScheduler", "clip_sample": false])
    let found = try scheduler(file, learnsVariance: true)
    #expect(found.settings.variance == .learned && !found.clips)
    #expect(try scheduler(file).settings.variance == .fixedLarge)
    #expect(found.settings.steps == 1000 && found.settings.schedule == .linear)
  }

  // MARK: JSON

  @Test func textsOfValues() throws {
    let value: JSONValue = .object([
      "b": .list([1, 1.5, nil, true, "a/é\n"]), "a": 1e-6, "c": .object([:]),
    ])
    #expect(
      value.string(pretty: false)
        == #"{"a":1e-06,"b":[1,1.5,null,true,"a/é\n"],"c":{}}"#)
    let path = try folder.write(Array(value.string(pretty: true).utf8), to: "a.json")
    #expect(
      try JSONValue.object(ofFile: path, role: "a file") == [
        "a": 1e-6, "c": .object([:]),
        "b": .list([1, 1.5, nil, true, "a/é\n"]),
      ])
    for text in ["", "[]", "{", #"{"a":1e999}"#, "{\"a\":" + String(repeating: "[", count: 9999)] {
      let path = try folder.write(Array(text.utf8), to: "b.json")
      let error = #expect(throws: StorageError.self) {
        try JSONValue.object(ofFile: path, role: "a file")
      }
      #expect(error?.reason.contains("is no object of JSON") == true)
    }
    let large = try folder.write([UInt8](repeating: 32, count: (1 << 20) + 1), to: "large.json")
    let error = #expect(throws: StorageError.self) {
      try JSONValue.object(ofFile: large, role: "a file")
    }
    #expect(error?.reason.contains("larger than 1 MiB") == true)
  }
}
