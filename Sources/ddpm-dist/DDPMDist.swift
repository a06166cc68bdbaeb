// The command ddpm-dist and its subcommands.

import ArgumentParser
import Training

/// The command `ddpm-dist` and its subcommands.
struct DDPMDist: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ddpm-dist",
    abstract: "Train denoising diffusion models on the CPUs of a cluster.",
    discussion: """
      mpirun -n 8 ddpm-dist train trains the embedded digits on 8 ranks; on 1, 2, 4 or 8 ranks it \
      writes the same checkpoint, bit for bit. Draw images from it with ddpm-sample.

      Exit codes: 0 done, 64 wrong arguments or configuration, 65 bad data or checkpoint, 66 \
      missing input, 69 machines that do not fit, or a scheduler that is not here or refuses, 70 internal error or divergence, 73 cannot create, 74 input or output failed, \
      75 asked to stop: everything is kept, start it again with --resume.
      """,
    version: ProgramBuild.versionText,
    subcommands: [
      Train.self, Evaluate.self, EstimateVariance.self, AverageCommand.self, BenchmarkCommand.self,
      CheckCommand.self, CheckpointCommand.self, DatasetCommand.self, ExportCommand.self,
      ImportModelCommand.self, JobScriptCommand.self,
      Predict.self, ReplayCommand.self,
      ReportCommand.self, RunsCommand.self, WatchCommand.self, EnvironmentCommand.self,
    ])
}

/// A command that the ranks of a job run together.
protocol JobCommand: ParsableCommand {
  func run(_ job: Job) throws
}

@main
enum Main {
  static func main() {
    let words = CommandLine.arguments.dropFirst()
    let stopsWhenAsked =
      ["train", "evaluate"].contains(words.first) && !words.contains("--dry-run")
    Job.run(listening: stopsWhenAsked) { job in
      var command: any ParsableCommand
      do {
        command = try DDPMDist.parseAsRoot()
        if let command = command as? any JobCommand {
          let refusal = RepeatedOption.refusal(
            in: CommandLine.arguments.dropFirst(), describedBy: type(of: command)._dumpHelp())
          if let refusal { throw ValidationError(refusal) }
        }
      } catch {
        throw commandLineEnd(error)
      }
      if let command = command as? any JobCommand { return try command.run(job) }
      do {
        // Commands that only have subcommands, and the parser's own for --help, throw their text.
        try command.run()
      } catch {
        throw commandLineEnd(error)
      }
    }
  }

  private static func commandLineEnd(_ error: any Error) -> CommandLineEnd {
    var text = DDPMDist.fullMessage(for: error)
    let exitCode = DDPMDist.exitCode(for: error).rawValue
    // The parser prints discussions above the options; the settings are long, and come below.
    if exitCode == 0, text.contains("USAGE: ddpm-dist train") { text += "\n" + Train.settingsHelp }
    return CommandLineEnd(text: text, exitCode: exitCode)
  }
}
