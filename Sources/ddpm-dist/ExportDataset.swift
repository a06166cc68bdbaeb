// ddpm-dist dataset export: one subcommand a format.

import ArgumentParser
import Storage
import Training

/// `ddpm-dist dataset export`: one subcommand a format.
struct ExportDataset: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write a dataset's images as files that other programs read.",
    subcommands: [ExportImages.self, ExportZIP.self, ExportNPZ.self])
}

/// What every export asks for.
struct ExportOptions: ParsableArguments {
  @Argument(help: "The dataset, an HDF5 file, or 'digits' for the embedded one.", completion: .hdf5)
  var dataset: String
  @Option(help: "The group of a file with several splits, such as /train.")
  var group: String?
  @Option(help: ArgumentHelp("Images A up to B, without B. (default: all)", valueName: "a:b"))
  var range: String?

  func validate() throws {
    if range != nil, bounds == nil {
      throw ValidationError("--range needs A:B with 0 <= A < B, as in 0:50000.")
    }
  }

  /// The numbers of `--range`; of a part that is left out, nil.
  private var bounds: (first: Int?, end: Int?)? {
    guard let range else { return nil }
    let parts = range.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2, parts.allSatisfy({ $0.isEmpty || Int($0) != nil }) else { return nil }
    let (first, end) = (Int(parts[0]), Int(parts[1]))
    guard first ?? 0 >= 0, end ?? .max > first ?? 0 else { return nil }
    return (first, end)
  }

  /// Exports on the first rank, with a progress bar, and prints where to.
  ///
  /// - Parameter check: Refuses the output; is told the command's inputs.
  func run(
    _ job: Job, as kind: DatasetExport.Kind, to output: String, check: ([String]) throws -> Void
  ) throws {
    try job.onFirstRank {
      try check([dataset])
      let source =
        dataset == "digits"
        ? try ImageDataset.digits() : try ImageDataset(path: dataset, group: group)
      let first = bounds?.first ?? 0
      let end = bounds?.end ?? source.count
      guard first < end, end <= source.count else {
        throw StorageError.badData(
          path: dataset,
          reason:
            "holds \(source.count) images, numbered from 0; --range \(range ?? "") needs others")
      }
      let progress = Progress()
      try DatasetExport.write(source, as: kind, to: output, range: first..<end) { done, total in
        progress.show(isLast: done == total) {
          "exporting \(Progress.bar(Double(done) / Double(max(total, 1)))) \(done)/\(total) images"
        }
      }
      try printTable([
        (kind == .images ? "folder" : "file", output),
        ("images", "\(end - first) of \(source.shape) (rows, columns, channels)"),
      ])
    }
  }
}

/// `ddpm-dist dataset export images`: a folder of PNG files.
struct ExportImages: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "images",
    abstract: "Write PNG files into a new folder; a class is a sub-folder.",
    discussion: """
      ddpm-dist dataset export images mnist.h5 --output mnist

      Grey levels are spread over 8 bits, more than 256 of them over 16, and dataset.json in the folder \
      knows how many there were, the order, the classes and their names: `dataset import images` makes the \
      same images of it. Continuous values are rounded to 16 bits of their range.
      """)

  @OptionGroup var options: ExportOptions
  @Option(help: ArgumentHelp("The folder to write, new or empty.", valueName: "folder"))
  var output: String

  func run(_ job: Job) throws {
    try options.run(job, as: .images, to: output) { _ in
      try DatasetExport.check(folder: output)
    }
  }
}

/// `ddpm-dist dataset export zip`: PNG files in a zip archive.
struct ExportZIP: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "zip",
    abstract: "Write PNG files and EDM's dataset.json into a zip archive.",
    discussion: "ddpm-dist dataset export zip mnist.h5 --output mnist.zip")

  @OptionGroup var options: ExportOptions
  @Option(help: "The archive to write, .zip; one that is there is replaced.")
  var output: String
  @Flag(help: .force)
  var force = false

  func validate() throws {
    if let fault = OutputKind.pictureArchive.fault(inName: output) {
      throw ValidationError("--output \(fault)")
    }
  }

  func run(_ job: Job) throws {
    try options.run(job, as: .zip, to: output) { inputs in
      try OutputKind.pictureArchive.check(target: output, inputs: inputs, isForced: force)
    }
  }
}

/// `ddpm-dist dataset export npz`: an array of NumPy.
struct ExportNPZ: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "npz",
    abstract:
      "Write an npz file of NumPy: arr_0 (images) and, where there are any, arr_1 (labels).",
    discussion: """
      ddpm-dist dataset export npz mnist.h5 --range 0:10000 --output reference.npz

      Up to 256 grey levels are spread over 0 to 255, as those of `ddpm-sample --out x.npz`; 16-bit and \
      continuous values are written as they are.
      """)

  @OptionGroup var options: ExportOptions
  @Option(help: "The file to write, .npz; one that is there is replaced.")
  var output: String
  @Flag(help: .force)
  var force = false

  func validate() throws {
    if let fault = OutputKind.archive.fault(inName: output) {
      throw ValidationError("--output \(fault)")
    }
  }

  func run(_ job: Job) throws {
    try options.run(job, as: .npz, to: output) { inputs in
      try OutputKind.archive.check(target: output, inputs: inputs, isForced: force)
    }
  }
}
