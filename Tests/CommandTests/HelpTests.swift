// --help and --version: printed once, with units and defaults.

import Foundation
import Testing

extension CommandTests {
  @Suite struct HelpTests {
    static let commands: [(Program, [String], parts: [String])] = [
      (
        .dist, [],
        [
          "train", "evaluate", "estimate-variance", "average", "benchmark", "checkpoint", "dataset",
          "predict", "65 bad data",
        ]
      ),
      (
        .dist, ["train"],
        [
          "learning_rate: 0.002", "batch: 128", "steps: 2000", "auto, or 1 to 4096 pixels",
          "--resume", "--accept-other-data", "--dry-run", "--json",
          "else the embedded digits)", "else 2000)", "diffusion_steps: 200", "model: ddpm",
          "linear, cosine", "prediction: epsilon", "epsilon, clean, mean, v", "OPTIMIZER",
          "constant, cosine, inverse_sqrt", "rising numbers from 0.001 to 0.28",
        ]
      ),
      (
        .dist, ["check"],
        [
          "mpirun -n 8 ddpm-dist check", "--watts <watts>", "--bandwidth <Gbit/s>", "else 2e-5)",
          "69 machines that do not fit", "of which TCP carries 94 %", "--accept-other-data",
        ]
      ),
      (
        .dist, ["benchmark"],
        [
          "--images", "as in 32x32x3", "default: step,evaluation,exchange,reading", "(default: 5)",
          "{\"ready\":true", "GFLOP are 2 x the multiply-adds",
        ]
      ),
      (
        .dist, ["average"],
        [
          "--length", "0.001 to 0.28", "default: that of the newest good checkpoint", "--output",
          "not replaced without --force",
          "--force Replace a file of another kind too; never an input",
        ]
      ),
      (
        .dist, ["evaluate"],
        [
          "bound, the variational bound", "neighbours", "flow", "train, validation", "optimal",
          "--clip/--no-clip", ".csv|.json|.h5|.svg",
        ]
      ),
      (.dist, ["estimate-variance"], ["--output", "--part", "Bao et al."]),
      (.dist, ["checkpoint"], ["ls", "verify", "diff", "prune", "repair-name"]),
      (.dist, ["checkpoint", "ls"], ["step, date, size, loss", "The run's folder."]),
      (.dist, ["checkpoint", "verify"], ["exit code is 65", "The checkpoints."]),
      (.dist, ["checkpoint", "diff"], ["0 where they are equal, else 1", "relative difference"]),
      (.dist, ["checkpoint", "prune"], ["--keep", "neither counted nor removed"]),
      (.dist, ["checkpoint", "repair-name"], ["nothing is replaced"]),
      (.dist, ["dataset"], ["import", "export", "make", "inspect"]),
      (.dist, ["env"], ["description of a fault"]),
      (.dist, ["dataset", "import"], ["idx", "cifar10", "csv", "images", "hdf5", "npy"]),
      (.dist, ["dataset", "import", "idx"], ["--output", "(default:"]),
      (.dist, ["dataset", "import", "cifar10"], [".bin"]),
      (
        .dist, ["dataset", "import", "csv"],
        ["--height", "2 to 65536", "default: last", "--caption"]
      ),
      (
        .dist, ["dataset", "import", "images"],
        [
          "PNG", "JPEG", "TIFF", "channels", "captions.jsonl", "--captions", "--size <n|hxw>",
          "default: center", "dataset.json",
        ]
      ),
      (
        .dist, ["dataset", "import", "npy"], ["--key", "--label-key", "nhwc, nchw", "(N, C, H, W)"]
      ),
      (.dist, ["dataset", "export"], ["images", "npz", "zip"]),
      (.dist, ["dataset", "export", "images"], ["new or empty", "--range", "16 bits"]),
      (.dist, ["dataset", "export", "zip"], ["dataset.json", "--force"]),
      (.dist, ["dataset", "export", "npz"], ["arr_1", "--force"]),
      (
        .dist, ["dataset", "make"],
        ["gaussian", "mixture", "coin", "likelihood is known", "digit-scenes", "coloured-digits"]
      ),
      (
        .dist, ["dataset", "make", "digit-scenes"],
        ["english, chinese", "held-out", "(default: 10000)", "docs/course/scenes.py"]
      ),
      (
        .dist, ["dataset", "make", "coloured-digits"],
        ["a bold red seven", "english, chinese; default: english"]
      ),
      (
        .dist, ["dataset", "make", "gaussian"],
        ["--output", "(default: 10000)", "1 to 8. (default: 8)", "(default: 0.2)", "0.99"]
      ),
      (
        .dist, ["dataset", "make", "mixture"],
        ["frame, column, row", "--weights", "(default: 0.5)"]
      ),
      (.dist, ["dataset", "make", "coin"], ["(default: 0.3)", "divisor of --size"]),
      (.dist, ["dataset", "inspect"], ["--grid", "(default: 64)"]),
      (
        .dist, ["export", "diffusers"],
        ["safetensors", "default: average", "to be filled in", "docs/diffusers.md"]
      ),
      (
        .dist, ["import", "diffusers"],
        ["--output", "32|32x24", "else 256", "the last row stands for no class"]
      ),
      (
        .dist, ["job"],
        [
          "slurm, pbs, lsf, sge, flux, hosts", "--requeue/--no-requeue", "(default: 180)",
          "/etc/ddpm-dist/job.yaml", "--array <seed=1-8[%N]>", "(default: 24:00:00)",
          "--exclusive/--shared",
        ]
      ),
      (.dist, ["predict"], ["/x_t", "Float32 (N, H, W, C)", "default: average"]),
      (
        .sample, [],
        [
          "(default: 1)", "(default: samples.png)", "default: average", "--init", "fixed_large",
          "ddim", "trailing", "--eta",
        ]
      ),
    ]

    @Test(arguments: commands.indices) func helpSaysUnitsAndDefaults(_ index: Int) async throws {
      let (program, words, parts) = Self.commands[index]
      let outcome = try await run(program, words + ["--help"])
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome)")
      #expect(outcome.output.hasPrefix("OVERVIEW:"), "\(outcome)")
      // The text is wrapped at the width of a terminal.
      let text = outcome.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      for part in parts { #expect(text.contains(part), "\(part) in: \(text)") }
    }

    /// Options come before the many settings.
    @Test func settingsStandBelowTheOptions() async throws {
      let help = try await run(.dist, ["train", "--help"]).output
      let (options, settings) = (
        try #require(help.range(of: "OPTIONS:")), try #require(help.range(of: "SETTINGS, for"))
      )
      #expect(options.upperBound < settings.lowerBound)
      #expect(help.contains("learning_rate: 0.002"))
    }

    /// Number, commit, CPU, and three libraries.
    nonisolated(unsafe) private static let version =
      /\d+\.\d+\.\d+ \(\w+(\+changes)?, [\w.-]+, Open MPI v[\d.]+\w*, HDF5 [\d.]+, OpenBLAS [\d.]+ \w+\)\n/

    @Test func theEnvironmentIsTold() async throws {
      let outcome = try await run(.dist, ["env"], ranks: 2)
      #expect(outcome.status == 0, "\(outcome)")
      for name in ["version", "commit", "MPI", "OpenBLAS", "CPUs", "memory", "system"] {
        let lines = outcome.output.split(separator: "\n").filter { $0.hasPrefix(name + " ") }
        #expect(lines.count == 1, "\(name): \(outcome)")
      }
    }

    @Test(arguments: [Program.dist, .sample]) func theVersionNamesWhatItIsMadeOf(
      _ program: Program
    ) async throws {
      let outcome = try await run(program, ["--version"])
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome)")
      #expect(outcome.output.wholeMatch(of: Self.version) != nil, "\(outcome)")
    }

    @Test(arguments: [Program.dist, .sample]) func ranksPrintOnce(_ program: Program) async throws {
      let version = try await run(program, ["--version"], ranks: 2)
      #expect(version.status == 0, "\(version)")
      #expect(version.output.wholeMatch(of: Self.version) != nil, "\(version)")
      let words = program == .dist ? ["train", "--help"] : ["--help"]
      let help = try await run(program, words, ranks: 2)
      #expect(help.status == 0, "\(help)")
      #expect(help.output.components(separatedBy: "OVERVIEW:").count == 2, "\(help)")
    }
  }
}
