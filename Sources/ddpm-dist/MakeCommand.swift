// ddpm-dist dataset make: one subcommand a known distribution, or a kind of pictures with captions.

import ArgumentParser
import Diffusion
import Storage
import Tensors
import Training

/// `ddpm-dist dataset make`: one subcommand a known distribution, or a kind of pictures with captions.
struct MakeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "make",
    abstract:
      "Draw a dataset: of a distribution whose likelihood is known, or of digits with captions.",
    discussion: """
      Of gaussian, mixture and coin the likelihood is known: a bound on it can be compared with the \
      truth, which the file knows and `ddpm-dist dataset inspect` prints. digit-scenes and \
      coloured-digits are made of the embedded digits, and say in words what they show. All are small, \
      of 1 to 16 pixels: for larger ones see `ddpm-dist dataset import images --size`, and for their \
      speed alone `ddpm-dist benchmark --images`.
      """,
    subcommands: [
      MakeGaussian.self, MakeMixture.self, MakeCoin.self, MakeDigitScenes.self,
      MakeColouredDigits.self,
    ])
}

/// What every dataset that is made asks for.
struct MadeFile: ParsableArguments {
  @Option(
    help: "The dataset to write, .h5 or .hdf5; a dataset that is there is replaced.",
    completion: .hdf5)
  var output: String
  @Flag(help: .force)
  var force = false
  @Option(help: "The number of images, at most 10000000.")
  var count = 10_000
  @Option(help: "The seed of the images: equal seeds give equal files.")
  var seed: UInt64 = 1

  func validate() throws {
    if !(1...10_000_000).contains(count) {
      throw ValidationError("--count needs a number from 1 to 10000000.")
    }
    if let fault = OutputKind.dataset.fault(inName: output) {
      throw ValidationError("--output \(fault)")
    }
  }

  /// Refuses a file that must not be replaced, draws and writes with a progress bar.
  ///
  /// - Parameter write: Writes the file, and tells how many images are done.
  func make<Made>(_ write: (_ progress: (Int) -> Void) throws -> Made) throws -> Made {
    try OutputKind.dataset.check(target: output, isForced: force)
    let progress = Progress()
    return try write { done in
      progress.show(isLast: done == count) {
        "drawing \(Progress.bar(Double(done) / Double(count))) \(done)/\(count) images"
      }
    }
  }
}

/// What every dataset of a known distribution asks for.
struct MakeOptions: ParsableArguments {
  @OptionGroup var file: MadeFile
  @Option(help: "The rows and columns of an image, 1 to 8.")
  var size = 8

  func validate() throws {
    if !(1...8).contains(size) { throw ValidationError("--size needs a number from 1 to 8.") }
  }

  /// Refuses a normal whose draws could leave the range −1 … 1 of a pixel.
  ///
  /// - Parameters:
  ///   - centre: How far from 0 the normal's mean is, and what the user calls that.
  ///   - deviation: Its standard deviation.
  static func checkRange(centre: (name: String, value: Double), deviation: Double) throws {
    // Pixels are 32-bit floats: below, their rounding would show in the likelihood.
    guard deviation >= 0.001, deviation.isFinite else {
      throw ValidationError("--deviation needs a number of at least 0.001.")
    }
    let reach = RandomStream.largestNormal * deviation
    guard abs(centre.value) + reach <= 1 else {
      throw ValidationError(
        "--deviation \(deviation) and \(centre.name) \(centre.value) lead beyond the range -1 to "
          + "1 of a pixel: normals reach 6.67 deviations to either side; take smaller ones.")
    }
  }

  /// Draws and writes on the first rank, with a progress bar, and prints the summary.
  ///
  /// - Parameter words: The subcommand's own options, for the record.
  func run<Distribution: KnownDistribution>(
    _ job: Job, _ distribution: Distribution, words: String
  ) throws {
    try job.onFirstRank {
      let summary = try self.file.make { progress in
        try DrawnDataset.write(
          distribution, count: self.file.count, seed: self.file.seed,
          origin: "ddpm-dist dataset make \(Distribution.name) --count \(self.file.count) --seed "
            + "\(self.file.seed) --size \(size) \(words)",
          to: self.file.output, progress: progress)
      }
      let file = summary.file
      let classes = zip(distribution.classNames ?? [], file.classCounts ?? []).enumerated()
      try printTable(
        [
          ("file", "\(file.path), \(file.bytes) bytes"),
          ("images", "\(file.count) of \(file.shape) (rows, columns, channels)"),
          ("pixels", "\(file.format)"),
          ("checksum", file.contentHash),
        ] + truthLines(summary.truth, dimensions: file.shape.count)
          + classes.map { ("class \($0)", "\($1.1) images (\($1.0))") })
    }
  }
}

/// `ddpm-dist dataset make gaussian`: normal pixels.
struct MakeGaussian: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "gaussian",
    abstract: "Draw images of normal pixels, independent or like their neighbours.",
    discussion: "ddpm-dist dataset make gaussian --correlation 0.9 --output gaussian.h5")

  @OptionGroup var options: MakeOptions
  @Option(parsing: .unconditional, help: "The mean of a pixel.")
  var mean = 0.2
  @Option(help: "The standard deviation of a pixel, at least 0.001.")
  var deviation = 0.12
  @Option(
    parsing: .unconditional,
    help:
      "The correlation of neighbouring pixels, -0.99 to 0.99; that of pixels n apart is its n-th power."
  )
  var correlation = 0.0

  func validate() throws {
    guard mean.isFinite else { throw ValidationError("--mean needs a number.") }
    try MakeOptions.checkRange(centre: ("--mean", mean), deviation: deviation)
    guard abs(correlation) <= 0.99 else {
      throw ValidationError("--correlation needs a number from -0.99 to 0.99.")
    }
  }

  func run(_ job: Job) throws {
    try options.run(
      job,
      GaussianImages(
        side: options.size, mean: mean, deviation: deviation, correlation: correlation),
      words: "--mean \(mean) --deviation \(deviation) --correlation \(correlation)")
  }
}

/// `ddpm-dist dataset make mixture`: noisy copies of a few pictures.
struct MakeMixture: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "mixture",
    abstract: "Draw noisy copies of a few pictures: frame, column, row, cross and blank.",
    discussion: """
      ddpm-dist dataset make mixture --weights 4,3,2,1,1 --output mixture.h5

      The pictures are the classes. Of 1 x 1 pixels only frame and blank are left, of 2 x 2 all but \
      cross: the others look like one of them there.
      """)

  @OptionGroup var options: MakeOptions
  @Option(help: "The pictures are drawn at this value, on a ground of its negative; above 0.")
  var contrast = 0.5
  @Option(help: "The standard deviation of the noise of a pixel, at least 0.001.")
  var deviation = 0.07
  @Option(
    help: ArgumentHelp(
      "How often each picture comes, relative to the others, with commas between. "
        + "(default: equally often)", valueName: "numbers"))
  var weights: String?

  func validate() throws {
    guard contrast > 0 else { throw ValidationError("--contrast needs a number above 0.") }
    try MakeOptions.checkRange(centre: ("--contrast", contrast), deviation: deviation)
    guard weights != nil, (1...8).contains(options.size) else { return }
    let names = MixtureImages.shapes(side: options.size).map(\.name)
    let numbers = parsedWeights ?? []
    guard numbers.count == names.count, numbers.allSatisfy({ (1e-6...1e6).contains($0) }) else {
      throw ValidationError(
        "--weights needs \(names.count) numbers from 0.000001 to 1000000 with commas between, for "
          + names.joined(separator: ", ") + ".")
    }
  }

  /// The numbers, where all are numbers.
  private var parsedWeights: [Double]? {
    let words = weights?.split(separator: ",", omittingEmptySubsequences: false) ?? []
    let numbers = words.compactMap { Double($0) }
    return weights == nil || numbers.count < words.count ? nil : numbers
  }

  func run(_ job: Job) throws {
    try options.run(
      job,
      MixtureImages(
        side: options.size, contrast: contrast, deviation: deviation, weights: parsedWeights),
      words: "--contrast \(contrast) --deviation \(deviation)"
        + (weights.map { " --weights \($0)" } ?? ""))
  }
}

/// `ddpm-dist dataset make coin`: black and white by the toss of a coin.
struct MakeCoin: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "coin",
    abstract: "Draw images that are black or white by the toss of a coin.",
    discussion: """
      ddpm-dist dataset make coin --probability 0.3 --output coin.h5

      An image is one coin, unless --block cuts it into squares that are a coin each.
      """)

  @OptionGroup var options: MakeOptions
  @Option(help: "The probability of white, between 0 and 1.")
  var probability = 0.3
  @Option(
    help: ArgumentHelp(
      "The rows and columns of a square of one coin, a divisor of --size. (default: the whole "
        + "image)", valueName: "pixels"))
  var block: Int?

  func validate() throws {
    guard probability > 0, probability < 1 else {
      throw ValidationError("--probability needs a number between 0 and 1, without the ends.")
    }
    if let block, block < 1 || options.size % block != 0 {
      throw ValidationError("--block needs a divisor of --size, which is \(options.size).")
    }
  }

  func run(_ job: Job) throws {
    let block = block ?? options.size
    try options.run(
      job, CoinImages(side: options.size, block: block, probability: probability),
      words: "--probability \(probability) --block \(block)")
  }
}
