// ddpm-dist dataset make digit-scenes and coloured-digits: pictures with captions.

import ArgumentParser
import Storage
import Training

/// What every dataset of pictures with captions asks for.
struct CaptionedOptions: ParsableArguments {
  @OptionGroup var file: MadeFile
  @Option(help: "The language of the captions.")
  var language: CaptionLanguage = .english

  /// Draws and writes on the first rank, with a progress bar, and prints the summary.
  ///
  /// - Parameters:
  ///   - words: The subcommand's own options, for the record.
  ///   - images: Makes the kind of pictures, on that rank only.
  func run<Images: CaptionedImages>(
    _ job: Job, words: String = "", _ images: (EmbeddedDigits) -> Images
  ) throws {
    try job.onFirstRank {
      let made = try file.make { progress in
        try images(EmbeddedDigits()).write(
          count: file.count, seed: file.seed,
          origin: "ddpm-dist dataset make \(Images.name) --count \(file.count) --seed \(file.seed) "
            + "--language \(language)\(words)",
          to: file.output, progress: progress)
      }
      try printTable(
        [
          ("file", "\(made.path), \(made.bytes) bytes"),
          ("images", "\(made.count) of \(made.shape) (rows, columns, channels)"),
          ("pixels", "\(made.format)"),
          ("checksum", made.contentHash),
          ("classes", "\((made.classCounts ?? []).count { $0 > 0 }) with images"),
        ] + (made.captions.map { [captionLine($0)] } ?? []))
    }
  }
}

extension CaptionLanguage: ExpressibleByArgument {}
extension DigitScenes.Part: ExpressibleByArgument {}

/// `ddpm-dist dataset make digit-scenes`: one or two digits, and where they are.
struct MakeDigitScenes: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "digit-scenes",
    abstract: "Draw pictures of 16 x 16 pixels with one or two digits, and say which and where.",
    discussion: """
      ddpm-dist dataset make digit-scenes --output scenes.h5
      ddpm-dist dataset make digit-scenes --part held-out --count 1000 --output held-out.h5

      Each picture has four captions that mean the same, as "a three above a nine" and "a nine below \
      a three". Of the 100 pairs side by side and the 100 above each other a tenth is held out: the \
      seed says which, so take the same one for both files. A network that draws these too has learned \
      what the words mean. docs/course/scenes.py measures it.
      """)

  @OptionGroup var options: CaptionedOptions
  @Option(help: "The pairs that are drawn: seen (and single digits), or held-out.")
  var part: DigitScenes.Part = .seen

  func run(_ job: Job) throws {
    try options.run(job, words: " --part \(part.rawValue)") {
      DigitScenes($0, part: part, language: options.language, seed: options.file.seed)
    }
  }
}

/// `ddpm-dist dataset make coloured-digits`: one digit, its colour and its weight.
struct MakeColouredDigits: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "coloured-digits",
    abstract: "Draw digits of 8 x 8 pixels in six colours, thin and bold, and say which.",
    discussion: """
      ddpm-dist dataset make coloured-digits --output coloured.h5

      Each picture has three captions that mean the same, as "a bold red seven". Digits are thin or \
      bold where their ink is in the lowest or the highest third of their class.
      """)

  @OptionGroup var options: CaptionedOptions

  func run(_ job: Job) throws {
    try options.run(job) { ColouredDigits($0, language: options.language) }
  }
}
