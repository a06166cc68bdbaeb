// ddpm-dist import: models of other programs.

import ArgumentParser
import Storage
import Training

/// `ddpm-dist import`: one subcommand a format.
struct ImportModelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import",
    abstract: "Make a checkpoint of the files of another program.",
    subcommands: [Diffusers.self])

  /// `ddpm-dist import diffusers`.
  struct Diffusers: JobCommand {
    static let configuration = CommandConfiguration(
      commandName: "diffusers",
      abstract: "Make a checkpoint of a diffusers pipeline, or of its UNet2DModel alone.",
      discussion: """
        ddpm-dist import diffusers mnist-ddpm --output mnist.h5

        ddpm-sample --ckpt, predict and evaluate take it, and train --init-from. A network that this \
        program's UNet cannot be is refused with the key of its config.json that says so.
        """)

    @Argument(help: "The folder.", completion: .directory)
    var folder: String
    @Option(
      help: "The checkpoint to write, .h5; one that is there is not replaced without --force.",
      completion: .hdf5)
    var output: String
    @Flag(help: .force)
    var force = false
    @Option(
      help: """
        Grey levels of the images, 2 to 65536, or 0 for continuous ones. (default: as an export of this \
        program says, else 256)
        """)
    var levels: Int?
    @Option(
      help: ArgumentHelp(
        "Rows and columns of an image, where the folder's sample_size is null.",
        valueName: "32|32x24"))
    var size: String?
    @Option(
      help: ArgumentHelp(
        """
        Names of the classes 0, 1, …, with commas between; one fewer than the network's table has \
        rows, where the last row stands for no class. (default: numbers)
        """, valueName: "names"))
    var classNames: String?

    /// The rows and columns of `--size`.
    private var extents: (height: Int, width: Int)? {
      let words = (size ?? "").split(separator: "x", omittingEmptySubsequences: false)
      let numbers = words.compactMap { Int($0) }.filter { (1...4096).contains($0) }
      guard numbers.count == words.count, (1...2).contains(words.count) else { return nil }
      return (numbers[0], numbers.last!)
    }

    func validate() throws {
      if let levels, levels != 0, !PixelFormat.possibleLevels.contains(levels) {
        throw ValidationError("--levels needs 2 to 65536, or 0.")
      }
      if size != nil, extents == nil {
        throw ValidationError("--size needs one or two numbers from 1 to 4096, as 32 or 32x24.")
      }
      if let fault = OutputKind.checkpoint.fault(inName: output) {
        throw ValidationError("--output \(fault)")
      }
    }

    func run(_ job: Job) throws {
      try job.onFirstRank {
        try OutputKind.checkpoint.check(target: output, inputs: [folder], isForced: force)
        var options = DiffusersImport.Options()
        options.levels = levels
        options.size = extents
        options.classNames = classNames?.split(separator: ",").map(String.init)
        let found = try DiffusersImport(folder: folder, options)
        for note in found.notes { try job.logger().warning("\(note)") }
        try found.checkpoint.write(to: output)
        try printTable([
          ("file", output),
          ("from", folder),
          ("step", "\(found.checkpoint.progress.step)"),
          ("parameters", "\(found.checkpoint.layout.count)"),
        ])
      }
    }
  }
}
