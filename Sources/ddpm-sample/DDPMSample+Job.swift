// The work of ddpm-sample, from its arguments to its files.

import Diffusion
import MPI
import Models
import Parallel
import Sampling
import Storage
import Tensors
import Training

extension DDPMSample {
  /// Draws the images; collective.
  func run(_ job: Job) throws {
    var style = LogStyle()
    (style.isQuiet, style.isJSON) = (output.quiet, output.logFormat == .json)
    LogStyle.current = style
    let logger = try job.logger()
    let communicator = try job.communicator()
    let isFirst = communicator.rank == 0
    try job.together {
      guard isFirst else { return }
      for file in output.outputs { try file.check(inputs: inputs, isForced: output.force) }
    }
    let loaded = try TrainedModel.load(
      path: ckpt, weights, latent: latent, precision: precision, job
    ) { logger.warning("\($0)") }
    let trained = loaded.trained
    let prompts = try prompts(job)
    let shown = try job.together { try conditions(loaded, prompts) }
    let guide = try loadGuide(job, for: loaded) { logger.warning("\($0)") }
    let starts = try starts(trained, job) { logger.notice("\($0)") }
    let given = try given(trained, job)
    let mask = try mask(trained, job)
    let images = try job.together { try numbers(starts, given, shown, trained) }
    let groups = ImageGroups(
      communicator: communicator, workers: try job.workers(requested: workers))
    let sampler = try job.together {
      try ImageSampler(
        trained, options(starts, mask: mask, shown, guide), groups,
        frames: output.trajectory ? task.frames ?? 8 : nil,
        from: given.map { GivenImages($0, images) })
    }
    for note in sampler.generation.notes { logger.notice("\(note)") }
    var request = SamplingRequest(
      images, output.outputs, seed: seed,
      facts: try job.together {
        try facts(loaded, starts, given.map { ($0, images) }, mask, shown, guide)
      })
    request.isResumed = output.resume
    request.together = which.batch
    request.shown = shown
    request.columns = walk?.side ?? (task.interpolate == nil ? nil : task.frames ?? 8)
    let stop = StopRequest(communicator, file: nil, timeLimit: output.timeLimit)
    for note in try SamplingRun(sampler, request, groups, logger: logger, stop: stop).run() {
      logger.notice("\(note)")
    }
    try job.together {
      guard isFirst else { return }
      // Afterwards: that their names cannot be printed must not cost files.
      try StandardStreams.print(output.outputs.map { $0.path + "\n" }.joined())
    }
  }

  /// The walk through two latents; nil where none is wanted.
  private var walk: LatentWalk? {
    task.walk.map {
      LatentWalk(across: $0.across - 1, down: $0.down - 1, side: task.frames ?? 15)
    }
  }

  /// The files that are read.
  private var inputs: [String] {
    [
      ckpt, latent, task.start, task.mask, task.data, what.guideWith, what.promptFile,
      what.textEncoder,
      what.textVocabulary,
    ].compactMap(\.self)
  }

  /// The prompts, read on the first rank for all; none where none are given.
  private func prompts(_ job: Job) throws -> [String] {
    guard let path = what.promptFile else { return what.prompts }
    let communicator = try job.communicator()
    let read = try job.together { () throws -> String? in
      guard communicator.rank == 0 else { return nil }
      let bytes = try readSmallFile(path, role: "a file of prompts", limit: 1 << 24)
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw StorageError.badData(path: path, reason: "is not UTF-8")
      }
      // Some editors begin a file with a byte order mark.
      let lines = text.drop { $0 == "\u{FEFF}" }.split(whereSeparator: \.isNewline).filter {
        !$0.allSatisfy(\.isWhitespace)
      }
      guard !lines.isEmpty else { throw StorageError.badData(path: path, reason: "has no prompt") }
      return lines.joined(separator: "\n")
    }
    return try communicator.broadcast(read ?? "", from: 0).split(separator: "\n").map(String.init)
  }

  /// What the images show; nil where nothing is said.
  private func conditions(
    _ loaded: TrainedModel.Loaded, _ prompts: [String]
  ) throws -> ShownConditions? {
    var settings = loaded.conditioning
    func refuse(_ option: String, _ told: String, _ other: String) -> Failure {
      Failure("--\(option): the model is told \(told): use \(other).", exitCode: ExitCode.usage)
    }
    if !what.classes.isEmpty {
      switch settings.condition {
      case .none: throw GuidanceError.notConditional
      case .text: throw refuse("class", "captions, not classes", "--prompt")
      case .class: return try ShownConditions(classes: what.classes, of: settings.classNames ?? [])
      }
    }
    guard !prompts.isEmpty else { return nil }
    switch settings.condition {
    case .none: throw GuidanceError.notConditional
    case .class: throw refuse("prompt", "classes, not captions", "--class")
    case .text:
      settings.textEncoderFile = what.textEncoder ?? settings.textEncoderFile
      settings.textVocabulary = what.textVocabulary ?? settings.textVocabulary
      return try ShownConditions(prompts: prompts, PromptReader(settings))
    }
  }

  /// The model that guides, of another checkpoint; collective.
  private func loadGuide(
    _ job: Job, for guided: TrainedModel.Loaded, report: (String) -> Void
  ) throws -> TrainedModel.Loaded? {
    guard let path = what.guideWith else { return nil }
    let guide = try TrainedModel.load(
      path: path, weights, precision: precision, job, report: report)
    try job.together {
      guard guide.conditioning.tellsAs(guided.conditioning) else {
        throw GuidanceError.guideOfOtherConditions
      }
    }
    return guide
  }

  /// x_T of each image, read on the first rank for all; nil where it is drawn.
  ///
  /// - Parameter report: Told how x_T was made, where the file says it.
  private func starts(
    _ trained: TrainedModel, _ job: Job, report: (String) -> Void
  ) throws -> [Float]? {
    guard let start = task.start else { return nil }
    let communicator = try job.communicator()
    let read = try job.together { () throws -> NoisyImages? in
      guard communicator.rank == 0 else { return nil }
      let noisy = try NoisyImages(path: start, images: "x_T", shape: trained.shape)
      if let grid = noisy.grid {
        report(
          "\(start) was encoded by ddim, which decodes it with --sampler ddim --no-clip --grid \(grid)"
            + (grid.contains(",") ? "." : " and the same --steps."))
      }
      return noisy
    }
    return try communicator.broadcast(read?.images ?? [], from: 0)
  }

  /// The dataset that images are made from.
  private func given(_ trained: TrainedModel, _ job: Job) throws -> ImageDataset? {
    guard let data = task.data else { return nil }
    return try job.together {
      let dataset = try data == "digits" ? .digits() : ImageDataset(path: data, group: task.group)
      try trained.requireImages(of: dataset)
      return dataset
    }
  }

  /// Whether each scalar is painted anew, read on the first rank for all.
  private func mask(_ trained: TrainedModel, _ job: Job) throws -> [Bool]? {
    guard let mask = task.mask else { return nil }
    let communicator = try job.communicator()
    let read = try job.together { () throws -> [Float]? in
      guard communicator.rank == 0 else { return nil }
      let picture = try Picture(png: mask).converted(toChannels: 1)
      let shape = trained.shape
      guard picture.shape.height == shape.height, picture.shape.width == shape.width else {
        throw StorageError.badData(
          path: mask,
          reason: "is a mask of \(picture.shape.height) × \(picture.shape.width) pixels, but the "
            + "images have \(shape.height) × \(shape.width)")
      }
      guard picture.pixels.contains(where: { $0 >= 128 }) else {
        throw StorageError.badData(path: mask, reason: "has no white pixel, where to paint")
      }
      return picture.pixels.flatMap { pixel in
        Array(repeating: pixel >= 128 ? 1 : 0, count: shape.channels)
      }
    }
    return try communicator.broadcast(read ?? [], from: 0).map { $0 > 0 }
  }

  /// The numbers of the images.
  ///
  /// - Throws: `StorageError.badData` where there are not as many as are asked for.
  private func numbers(
    _ starts: [Float]?, _ given: ImageDataset?, _ shown: ShownConditions?, _ trained: TrainedModel
  ) throws(StorageError) -> Range<Int> {
    let there = starts.map { $0.count / trained.shape.count } ?? given?.count
    let usual =
      starts != nil
      ? there!
      : task.interpolate != nil
        ? task.frames ?? 8
        : walk.map { $0.side * $0.side } ?? min(shown.map(usualCount) ?? 64, there ?? .max)
    let numbers = which.images?.range ?? 0..<(which.count ?? usual)
    if let there, numbers.upperBound > there {
      let asked =
        which.images == nil
        ? "fewer than --count \(numbers.count)" : "whose numbers are 0 to \(there - 1)"
      throw .badData(
        path: task.start ?? given!.path,
        reason: "has \(there) \(there == 1 ? "image" : "images"), \(asked)")
    }
    return numbers
  }

  /// Of several conditions as many images each, 8 or such that there are not many more than 512.
  private func usualCount(_ shown: ShownConditions) -> Int {
    let count = shown.conditions.count
    return count == 1 ? 64 : count * max(1, min(8, 512 / count))
  }

  private func options(
    _ starts: [Float]?, mask: [Bool]?, _ shown: ShownConditions?, _ guide: TrainedModel.Loaded?
  ) throws -> GenerationOptions {
    var options = GenerationOptions()
    options.conditions = shown?.conditions ?? []
    options.guidance = what.guidance(
      try guide.map { guide in
        let trained = guide.trained
        return Guide(try trained.require(DenoisingDiffusion.self, to: "guide another one")) {
          trained.makePass($0)
        }
      })
    options.seed = seed
    options.sampler = how.sampler
    options.samplerOptions = how.options
    options.clipping = how.clipping
    if let walk {
      options.task = .walk(walk)
    } else if let pair = task.interpolate {
      options.task = .images(
        from: .between(pair.first, pair.second, frames: task.frames ?? 8))
    } else if let mask {
      options.task = .inpainting(mask: mask, repeats: task.repeats ?? 10)
    } else if task.encode != nil {
      options.task = .reconstruction
    } else if let level = task.noiseLevel {
      options.task = .variation(noiseLevel: level)
    } else {
      options.task = .images(from: starts.map(SampleStart.given) ?? .drawn)
    }
    return options
  }

  /// How the images are made, beside what the generation says.
  private func facts(
    _ loaded: TrainedModel.Loaded, _ starts: [Float]?,
    _ given: (dataset: ImageDataset, images: Range<Int>)?, _ mask: [Bool]?,
    _ shown: ShownConditions?, _ guide: TrainedModel.Loaded?
  ) throws -> [String: Fact] {
    var facts: [String: Fact] = [
      "checkpoint": .text(loaded.path), "step": .integer(loaded.step),
      "weights": .text(weights.rawValue), "weights_hash": .text(loaded.trained.checksum),
    ]
    if precision != .float32 { facts["precision"] = .text(precision.rawValue) }
    if let starts { facts["init_hash"] = .text(checksum(starts)) }
    if let given {
      facts["data"] = .text(given.dataset.path)
      facts["data_hash"] = .text(
        try given.dataset.contentHash
          ?? GivenImages(given.dataset, given.images).checksum())
    }
    if let shown {
      let words = shown.words.joined(separator: "; ")
      facts["shown"] = .text(words.count > 2000 ? String(words.prefix(1999)) + "…" : words)
      facts["shown_hash"] = .text(shown.checksum)
    }
    if let guide {
      facts["guide"] = .text(guide.path)
      facts["guide_hash"] = .text(guide.trained.checksum)
    }
    if let mask { facts["mask_hash"] = .text(checksum(mask.map { $0 ? 1 : 0 })) }
    return facts
  }

  private func checksum(_ floats: [Float]) -> String {
    var hash = ContentHash()
    floats.withUnsafeBytes { hash.update($0) }
    return hash.hexadecimal()
  }
}
