// Every setting: its text, its value, and what it refuses.

import Testing
import Training

@Suite struct SettingTests {
  /// For each setting another value than the default.
  static let others = [
    "name": "another", "model": "vae", "data": "/data/some images #2: v1.h5",
    "data_group": "/train",
    "flip": "true", "levels": "256", "height": "16", "width": "12", "image_channels": "3",
    "channels": "64", "multipliers": "[1, 2, 4]", "blocks": "3", "attention": "[]", "heads": "2",
    "head_channels": "16", "residual_resize": "true", "scale_shift": "true",
    "groups": "4", "dropout": "0.25", "diffusion_steps": "1000", "schedule": "linear",
    "beta_start": "0.0003", "beta_end": "0.5", "prediction": "clean", "variance": "fixed_large",
    "objective": "bound", "betas": "[0.1, 0.25]", "zero_terminal_snr": "true",
    "weighting": "p2", "min_snr_gamma": "3.5", "p2_gamma": "0.5", "p2_k": "2.0",
    "timestep_sampling": "importance", "steps": "7", "batch": "96", "seed": "9223372036854775807",
    "shards": "16", "workers": "3", "memory": "less",
    "precision": "bfloat16", "reduction": "allreduce",
    "on_divergence": "skip",
    "hang_timeout": "7", "compare_weights_every": "13", "learning_rate": "3e-05",
    "warmup_steps": "0", "adam_beta1": "0.5", "adam_beta2": "0.25", "adam_epsilon": "1e-09",
    "learning_rate_schedule": "cosine", "learning_rate_steps": "5000",
    "learning_rate_reference": "70", "weight_decay": "0.0625", "average_lengths": "[0.05, 0.1]",
    "average_every": "13",
    "clip_norm": "0.125", "average_decay": "0.9999", "checkpoint_every": "11",
    "keep_checkpoints": "5", "sample_every": "0", "sample_count": "17",
    "sample_last": "true", "gradient_norms_every": "10", "value_range": "[-1.5, 2.0]",
    "validation": "0.25", "held_out": "9",
    "validation_every": "50", "validation_images": "64", "patience": "3", "condition": "class",
    "class_names": "[cat, dog]", "label_drop": "0.25", "caption_drop": "0.5",
    "text_encoder": "clip", "merges": "0", "token_pairs": "[97, 98, 258, 99]", "context": "77",
    "text_width": "32", "text_layers": "3", "text_heads": "2",
    "text_encoder_file": "/w.safetensors",
    "text_encoder_hash": "0123456789abcdef0123456789abcdef",
    "text_vocabulary": "/tokenizer.json", "latent_network": "convolutional",
    "latents": "[7, 5]", "latent_form": "map", "hidden": "[60, 50]", "hidden_layers": "1",
    "activation": "tanh", "inference": "top_down", "decoder": "normal",
    "decoder_deviation": "image", "decoder_sigma": "0.125", "binarization": "static",
    "latent": "/runs/vae", "latent_code": "sample",
    "latent_hash": "0123456789abcdef0123456789abcdef", "latent_extents": "[4, 4, 2]",
    "latent_shift": "[0.5, 0.25]", "latent_scale": "[2.0, 1.5]",
    "kl_weight": "0.5", "kl_warmup": "40",
    "gamma_schedule": "endpoints", "gamma_min": "-13.5",
    "gamma_max": "6.25", "vdm_steps": "250", "fourier_features": "false",
  ]

  /// A configuration with all of `others`.
  static func changed() throws -> Configuration {
    var configuration = Configuration()
    for (key, value) in others { try configuration.apply(assignment: "\(key)=\(value)") }
    return configuration
  }

  @Test func keysAreUniqueAndExplained() {
    let keys = Configuration.settings.map(\.key)
    #expect(Set(keys).count == keys.count)
    #expect(keys.allSatisfy { $0.wholeMatch(of: /[a-z][a-z0-9]*(_[a-z0-9]+)*/) != nil })
    #expect(
      Configuration.settings.allSatisfy {
        $0.help.count > 5 && !$0.help.contains("\n") && !$0.values.isEmpty
      })
    #expect(Set(keys) == Set(Self.others.keys))
  }

  /// Each setting changes one stored property, and all stored properties are some setting's.
  @Test func settingsAndPropertiesAreOneToOne() throws {
    func properties(_ configuration: Configuration) -> [String: String] {
      var properties: [String: String] = [:]
      for section in Mirror(reflecting: configuration).children {
        for child in Mirror(reflecting: section.value).children {
          properties["\(section.label!).\(child.label!)"] = "\(child.value)"
        }
      }
      return properties
    }
    let before = properties(Configuration())
    var untouched = Set(before.keys)
    for setting in Configuration.settings {
      var configuration = Configuration()
      try configuration.apply(assignment: "\(setting.key)=\(Self.others[setting.key]!)")
      let after = properties(configuration)
      let changed = before.keys.filter { before[$0] != after[$0] }
      #expect(changed.count == 1, "\(setting.key) changes \(changed)")
      let isNew = changed.first.map { untouched.remove($0) != nil }
      #expect(isNew == true, "\(setting.key) changes \(changed), as another setting does")
      #expect(configuration.yaml() != Configuration().yaml())
      #expect(setting.value(in: configuration) != setting.value(in: Configuration()))
    }
    #expect(untouched == [])
  }

  @Test func valuesSurviveTheWayThroughYAML() throws {
    let changed = try Self.changed()
    for original in [Configuration(), changed] {
      var read = original == changed ? Configuration() : changed
      try read.apply(yaml: original.yaml(), source: "test.yaml")
      #expect(read == original)
    }
    for setting in Configuration.settings {
      var one = Configuration()
      let line = "\(setting.key): \(setting.value(in: changed))\n"
      try one.apply(yaml: line, source: "test.yaml")
      #expect(setting.value(in: one) == setting.value(in: changed))
    }
  }

  @Test(arguments: [
    "true", "1e3", "0x10", "~", "null", "auto", "a: b", "a #b", "- a", "[a]", "{a: b}", "'a'",
    "\"", "ä – 図", "*a", "&a", "!a", "%a", "@a", " a ", "a\tb", "a\nb", "#a", ":", "-", "?",
  ])
  func textsSurviveTheWayThroughYAML(text: String) throws {
    var original = Configuration()
    original.run.name = text
    original.data.path = text
    original.data.group = text
    var read = Configuration()
    try read.apply(yaml: original.yaml(), source: "test.yaml")
    #expect(read == original)
  }

  @Test(
    arguments: [
      ("none", nil), ("digits", .digits), ("0.2", .share(0.2)), ("1e-3", .share(1e-3)),
      ("a/b.h5", .file(path: "a/b.h5", group: "/")), ("./0.2", .file(path: "./0.2", group: "/")),
      ("a.h5:/test", .file(path: "a.h5", group: "/test")),
      ("a.h5:/x/y", .file(path: "a.h5", group: "/x/y")),
      ("a:/b.h5:/", .file(path: "a:/b.h5", group: "/")),
      ("0.2:/", .file(path: "0.2", group: "/")), ("none:/", .file(path: "none", group: "/")),
      ("C: #1.h5", .file(path: "C: #1.h5", group: "/")), (":/a", .file(path: ":/a", group: "/")),
    ] as [(String, ValidationSource?)])
  func placesOfValidationSurviveTheWayThroughYAML(text: String, source: ValidationSource?) throws {
    var original = Configuration()
    original.validation.source = .share(0.5)
    try original.apply(assignment: "validation=\(text)")
    #expect(original.validation.source == source)
    var read = Configuration()
    try read.apply(yaml: original.yaml(), source: "test.yaml")
    #expect(read == original)
  }

  @Test(arguments: [1e-30, 0.1 + 0.2, 1 / 3.0, .leastNormalMagnitude, 0.999999, 2e-3])
  func numbersSurviveTheWayThroughYAML(number: Double) throws {
    var original = Configuration()
    original.optimizer.learningRate = number
    var read = Configuration()
    try read.apply(yaml: original.yaml(), source: "test.yaml")
    #expect(read.optimizer.learningRate == number)
  }

  /// What each kind of setting refuses, and a part of the sentence.
  static let refusals: [(key: String, value: String, part: String)] = [
    ("steps", "many", "whole number of at least 1, not 'many'"),
    ("steps", "1.5", "whole number"),
    ("steps", "0", "whole number of at least 1, not '0'"),
    ("steps", "-3", "whole number of at least 1"),
    ("steps", "", "whole number"),
    ("steps", "99999999999999999999", "whole number"),
    ("steps", "[1]", "one value, not a list"),
    // Random streams count steps in 32 bits.
    ("steps", "4294967297", "at most 2147483647"),
    ("diffusion_steps", "1", "at least 2"),
    ("levels", "1", "cannot be 1"),
    ("levels", "65537", "at most 65536"),
    ("workers", "0", "whole number of at least 1"),
    ("workers", "4097", "at most 4096"),
    ("value_range", "[0.0, 1.0e-310]", "two rising numbers"),
    ("value_range", "[-1.0e+300, 1.0e+300]", "two rising numbers"),
    ("workers", "Auto", "whole number"),
    ("keep_checkpoints", "1", "at least 2"),
    ("seed", "-1", "at least 0"),
    ("learning_rate", "fast", "a number from 0.0 to 10.0, not 'fast'"),
    ("learning_rate", "nan", "a number from"),
    ("learning_rate", "inf", "a number from"),
    ("learning_rate", "-1e-3", "a number from"),
    ("weight_decay", "1.5", "a number from 0.0 to 1.0"),
    ("learning_rate_schedule", "linear", "one of constant, cosine, inverse_sqrt, not 'linear'"),
    ("learning_rate_steps", "0", "at least 1"),
    ("learning_rate_reference", "never", "whole number"),
    ("average_lengths", "0.1", "a list of rising numbers from 0.001 to 0.28, or []"),
    ("average_lengths", "[0.1, 0.05]", "rising"),
    ("average_lengths", "[0.1, 0.1]", "rising"),
    ("average_lengths", "[0.3]", "to 0.28"),
    ("average_lengths", "[nan]", "rising"),
    ("average_lengths", "[0.1, [0.2]]", "a list of"),
    ("average_lengths", "[0.01,0.02,0.03,0.04,0.05,0.06,0.07,0.08,0.09]", "at most 8"),
    ("average_every", "-1", "at least 0"),
    ("dropout", "1", "a number from 0.0 to 0.999"),
    ("beta_start", "0", "a number from"),
    ("adam_beta2", "1", "a number from"),
    ("flip", "yes", "true or false, not 'yes'"),
    ("flip", "1", "true or false"),
    ("schedule", "square", "one of linear, cosine, sigmoid, quadratic"),
    ("variance", "analytic", "one of fixed_large, fixed_small, learned, not 'analytic'"),
    ("betas", "/nowhere/betas.txt", "no readable text file '/nowhere/betas.txt'"),
    ("betas", "[0.1, half]", "needs numbers, not 'half'"),
    ("betas", "[0.1, [0.2]]", "needs numbers, not 'a list'"),
    ("weighting", "snr", "one of none, min_snr, p2"),
    ("min_snr_gamma", "0", "a number from 0.001"),
    ("timestep_sampling", "1000", "one of uniform, low_discrepancy, importance"),
    ("variance", "fixedLarge", "one of fixed_large, fixed_small, learned"),
    ("name", "", "needs a text"),
    ("model", "magic", "needs one of ddpm, autoencoder, vae, "),
    ("value_range", "0", "needs auto, [], or two rising numbers"),
    ("value_range", "[1, 0]", "two rising numbers"),
    ("value_range", "[0, one]", "two rising numbers"),
    ("value_range", "[0, 1, 2]", "two rising numbers"),
    ("value_range", "[0, .inf]", "two rising numbers"),
    ("data", "", "needs a path"),
    ("validation", "", "needs none, a share, or a path"),
    ("validation", "0", "a share between 0 and 1, or a path, not '0'"),
    ("validation", "1.0", "a share between 0 and 1"), ("validation", "-0.2", "between 0 and 1"),
    ("validation", "nan", "between 0 and 1"), ("validation", "20", "between 0 and 1"),
    ("validation", "[0.2]", "one value, not a list"),
    ("held_out", "-1", "at least 0"), ("validation_images", "0", "at least 1"),
    ("validation_every", "often", "whole number"), ("patience", "-1", "at least 0"),
    ("multipliers", "2", "a list of whole numbers, as in [1, 2]"),
    ("multipliers", "[1, two]", "whole number of at least 1, not 'two'"),
    ("multipliers", "[1, 0]", "at least 1"),
    ("multipliers", "[1, [2]]", "not 'a list'"),
    ("multipliers", "[1, 9223372036854775807]", "at most 4096"),
    ("multipliers", "[\(Array(repeating: "1", count: 65).joined(separator: ","))]", "at most 16"),
  ]

  @Test(arguments: refusals)
  func wrongValuesAreRefused(key: String, value: String, part: String) {
    var configuration = Configuration()
    let error = #expect(throws: ConfigurationError.self) {
      try configuration.apply(assignment: "\(key)=\(value)")
    }
    #expect(error?.source == "--set \(key)=\(value)")
    #expect(error?.reason.contains(part) == true, "\(error as Any)")
    #expect(error?.reason.hasPrefix("'\(key)' ") == true)
    #expect(configuration == Configuration())
    guard !value.isEmpty else { return }
    let inFile = #expect(throws: ConfigurationError.self) {
      try configuration.apply(yaml: "# first\nbatch: 8\n\n\(key): \(value)\n", source: "a.yaml")
    }
    #expect(inFile?.source == (key == "batch" ? "a.yaml:2" : "a.yaml:4"))
    #expect(inFile?.reason == error?.reason)
  }
}
