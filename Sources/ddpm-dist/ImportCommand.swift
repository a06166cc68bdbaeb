// ddpm-dist dataset import: one subcommand a format.

import ArgumentParser
import Storage
import Training

/// `ddpm-dist dataset import`: one subcommand a format.
struct ImportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Make a dataset (HDF5) from files of another format.",
    subcommands: [
      ImportIDX.self, ImportCIFAR10.self, ImportCSV.self, ImportImages.self, ImportHDF5.self,
      ImportNPY.self,
    ])
}

/// What every import asks for.
struct ImportOptions: ParsableArguments {
  @Option(
    help: "The dataset to write, .h5 or .hdf5; a dataset of an import that is there is replaced.",
    completion: .hdf5)
  var output: String
  @Flag(help: .force)
  var force = false
  @Option(help: "The dataset's name. (default: from the input's name)")
  var name: String?
  @Option(help: "Where the images come from, for the record.")
  var origin: String?
  @Option(help: "Under which licence they may be used, for the record.")
  var license: String?
  @Option(
    help: ArgumentHelp(
      "Names of the classes 0, 1, …, with commas between. (default: the input's, if it has any)",
      valueName: "names"))
  var classNames: String?
  @Option(
    help: ArgumentHelp(
      """
      Captions of the images: a line each in a .txt file, strings or lists of them in a .jsonl file, or \
      a dataset of an HDF5 file. (default: the input's, if it has any)
      """, valueName: "file.txt|.jsonl|.h5[:/dataset]"),
    completion: .file(extensions: ["txt", "jsonl", "h5"]))
  var captions: String?
  @Option(help: "Compress inside the file, level 1 to 9. (default: not; reads fastest)")
  var gzip: Int?

  func validate() throws {
    if let gzip, !(1...9).contains(gzip) { throw ValidationError("--gzip needs 1 to 9.") }
    if let fault = OutputKind.dataset.fault(inName: output) {
      throw ValidationError("--output \(fault)")
    }
    if let captions, let fault = CaptionFile.fault(inName: captions) {
      throw ValidationError("--captions \(fault)")
    }
  }

  /// Imports on the first rank, with a progress bar, and prints the summary.
  ///
  /// - Parameters:
  ///   - inputs: The paths that the source reads.
  ///   - source: Opens the input, on that rank only.
  func run(
    _ job: Job, inputs: [String], _ source: @autoclosure () throws -> ImportSource
  ) throws {
    try job.onFirstRank {
      let inputs = inputs + [captions.map { CaptionFile.path(of: $0) }].compactMap(\.self)
      try OutputKind.dataset.check(target: output, inputs: inputs, isForced: force)
      try run(source())
    }
  }

  private func run(_ source: ImportSource) throws {
    let progress = Progress()
    let summary = try DatasetImport.run(
      source: source, output: output, name: name, origin: origin, license: license,
      classNames: classNames?.split(separator: ",").map(String.init),
      captions: captions, gzip: gzip
    ) { done, total in
      progress.show(isLast: done == total) {
        "importing \(Progress.bar(Double(done) / Double(max(total, 1)))) \(done)/\(total) images"
      }
    }
    var lines = [
      ("file", "\(summary.file.path), \(summary.file.bytes) bytes"),
      ("name", summary.name),
      ("images", "\(summary.file.count) of \(summary.file.shape) (rows, columns, channels)"),
      ("pixels", "\(summary.file.format)"),
      ("checksum", summary.file.contentHash),
    ]
    lines += summary.file.captions.map { [captionLine($0)] } ?? []
    for (label, count) in (summary.file.classCounts ?? []).enumerated() {
      let name = summary.classNames.flatMap { label < $0.count ? $0[label] : nil }
      lines.append(("class \(label)", "\(count) images" + (name.map { " (\($0))" } ?? "")))
    }
    try printTable(lines)
    for note in summary.notes { try StandardStreams.print(note + "\n") }
  }
}

/// `ddpm-dist dataset import idx`: MNIST and its relatives.
struct ImportIDX: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "idx",
    abstract: "Import IDX files, gzip'd or not: MNIST and its relatives.",
    discussion: """
      ddpm-dist dataset import idx train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz \
      --output mnist.h5
      """)

  @Argument(help: "The file of images.", completion: .file())
  var images: String
  @Argument(help: "The file of labels.", completion: .file())
  var labels: String?
  @OptionGroup var options: ImportOptions

  func run(_ job: Job) throws {
    try options.run(
      job, inputs: [images, labels].compactMap(\.self), .idx(images: images, labels: labels))
  }
}

/// `ddpm-dist dataset import cifar10`: the binary version of CIFAR-10.
struct ImportCIFAR10: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "cifar10",
    abstract: "Import the binary version of CIFAR-10.",
    discussion: "ddpm-dist dataset import cifar10 cifar-10-batches-bin --output cifar10.h5")

  @Argument(
    help: "The .bin files, or the folder that holds data_batch_1.bin ….", completion: .file())
  var files: [String]
  @OptionGroup var options: ImportOptions

  func run(_ job: Job) throws {
    try options.run(job, inputs: files, .cifar10(files: files))
  }
}

/// `ddpm-dist dataset import csv`: one image a line.
struct ImportCSV: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "csv",
    abstract: "Import a table of whole numbers, one image a line, pixels row by row.",
    discussion: "ddpm-dist dataset import csv optdigits.csv --output digits.h5")

  @Argument(help: "The CSV file, gzip'd or not.", completion: .file())
  var file: String
  @Option(help: "Rows of an image. (default: a square)")
  var height: Int?
  @Option(help: "Columns of an image. (default: a square)")
  var width: Int?
  @Option(help: "Channels of an image. (default: 1)")
  var channels: Int?
  @Option(
    help: """
      Grey levels, 2 to 65536. (default: the largest value + 1; from 128 on 256, 512, … 65536)
      """)
  var levels: Int?
  @Option(help: "Where a line has its label: last, first or none.")
  var label: CSVLabelColumn = .last
  @Option(
    help: ArgumentHelp(
      """
      The column of the captions, which is no pixel and no label: its name in the first line, or its \
      number, counted from 1. (default: none)
      """, valueName: "column"))
  var caption: String?
  @OptionGroup var options: ImportOptions

  func validate() throws {
    if let levels, !PixelFormat.possibleLevels.contains(levels) {
      throw ValidationError("--levels needs 2 to 65536.")
    }
    for extent in [height, width, channels] {
      if let extent, extent < 1 { throw ValidationError("An image's extents are at least 1.") }
    }
    if caption != nil, options.captions != nil {
      throw ValidationError("--caption and --captions both say where captions are; give one.")
    }
  }

  func run(_ job: Job) throws {
    try options.run(
      job, inputs: [file],
      .csv(
        file: file, height: height, width: width, channels: channels, levels: levels,
        label: label, caption: caption.map { CSVColumn($0) }))
  }
}

extension CSVLabelColumn: ExpressibleByArgument {}
