// ddpm-dist export: models for other programs.

import ArgumentParser
import Storage
import Training

/// `ddpm-dist export`: one subcommand a format.
struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write a model as the files of another program.",
    subcommands: [Diffusers.self])

  /// `ddpm-dist export diffusers`.
  struct Diffusers: JobCommand {
    static let configuration = CommandConfiguration(
      commandName: "diffusers",
      abstract:
        "Write a pipeline folder of diffusers: weights (safetensors), settings, a model card.",
      discussion: """
        ddpm-dist export diffusers runs/mnist mnist-ddpm

        DDPMPipeline.from_pretrained("mnist-ddpm") loads it. The folder appears when all of it is there; \
        docs/diffusers.md says what diffusers cannot say.
        """)

    @Argument(help: "A checkpoint, or a run folder: its newest good checkpoint.", completion: .hdf5)
    var run: String
    @Argument(help: "The folder to write; one that is there must be empty.", completion: .directory)
    var output: String
    @Option(
      help: ArgumentHelp(
        """
        The weights: average (over the training), model (of the last step), or one of \
        average_lengths, as average_0.05.
        """, valueName: "name"))
    var weights: WeightKind = .ema
    @Option(
      help: "Under which licence the model may be used, for its card. (default: to be filled in)")
    var license: String?
    @Flag(help: "Replace the folder of an earlier export; never one that holds other files.")
    var force = false

    func run(_ job: Job) throws {
      try job.onFirstRank {
        try DiffusersExport.check(target: output, isForced: force)
        var remarks: [String] = []
        let export = try DiffusersExport(checkpoint: run, weights, license: license) {
          remarks.append($0)
        }
        for remark in remarks { try job.logger().warning("\(remark)") }
        try export.write(to: output)
        try printTable([
          ("folder", output),
          ("from", "\(export.path), step \(export.step)"),
          ("weights", "\(weights.rawValue), \(export.parameters) parameters"),
        ])
      }
    }
  }
}
