// Reads many files in one process and says how each went: for Tests/Python/fuzz.py.

import Foundation
import MPI
import Storage
import Tensors

/// `ddpm-dist __read KIND FILE…`: a line on stdout for each file.
///
/// A line holds, between tabs, the exit code that a command would end with, milliseconds of CPU time,
/// those of children included, the largest resident memory in KiB while the file was read, that of the largest child so far, and the
/// message. A process that dies has read the file whose line is missing. What a command does after
/// it has read its input is left out.
enum ReadFiles {
  /// The first argument.
  static let word = "__read"

  /// How each kind of file is read: by what the commands use.
  private static let readers: [String: @Sendable (String) throws -> Void] = [
    "dataset": { try ImageDataset(path: $0).verify() },
    "checkpoint": { _ = try TrainedModel.read(path: $0, .ema) { _ in } },
    "averages": { _ = try AverageSnapshot.read(path: $0) },
    "noise": {
      let shape = ImageShape(height: 8, width: 8, channels: 1)
      _ = try NoisyImages(path: $0, images: "x_T", shape: shape)
    },
    "output": { try OutputKind.samples.check(target: $0) },
    "yaml": { path in
      var configuration = Configuration()
      try configuration.apply(yaml: Configuration.text(ofFile: path), source: path)
      _ = try TrainingPlan(configuration, rankCount: 1)
    },
    "csv": { try ImportSource.csv(file: $0).forEachBatch { _, _ in } },
    "captions": { _ = try CaptionFile.read($0, of: "the images", count: 20, names: nil) },
    "captioned csv": {
      try ImportSource.csv(file: $0, caption: .number(66)).forEachBatch { _, _ in }
    },
    "safetensors": { path in
      let file = try Safetensors(path: path)
      // What a text model reads: other tensors of a file may be of any type.
      for (name, entry) in file.entries.sorted(by: { $0.key < $1.key })
      where ["F32", "F16", "BF16"].contains(entry.type) {
        _ = try file.values(name)
      }
    },
    "vocabulary": { _ = try CLIPTokenizer(path: $0) },
    "diffusers network": { path in
      _ = try DiffusersUNet(DiffusersSettings(path: path), size: nil)
    },
    "diffusers scheduler": { path in
      let settings = try DiffusersSettings(path: path)
      _ = try DiffusersScheduler(settings, base: nil, learnsVariance: false)
    },
    "idx": { try ImportSource.idx(images: $0, labels: nil).forEachBatch { _, _ in } },
    "array": { try ImportSource.hdf5(files: [$0], ArrayOptions()).forEachBatch { _, _ in } },
    "picture": { try ImportSource.picture($0).forEachBatch { _, _ in } },
    "archive": { try ImportSource.pictures($0).forEachBatch { _, _ in } },
    "npy": { try ImportSource.npy(images: $0).forEachBatch { _, _ in } },
  ]

  /// Reads the files; gives an exit code.
  static func run(_ arguments: [String]) -> Int32 {
    guard let kind = arguments.first, let read = readers[kind] else { return ExitCode.usage }
    for path in arguments.dropFirst() {
      forgetPeakMemory()
      let start = cpuMilliseconds()
      var failure = Failure("", exitCode: 0)
      do { try read(path) } catch { failure = ExitCode.failure(for: error) }
      let time = cpuMilliseconds() - start
      let fields = [
        "\(failure.exitCode)", "\(time)", "\(peakMemory())", "\(childMemory())",
        failure.message.escapingControls(keepingLines: false),
      ]
      do { try StandardStreams.print(fields.joined(separator: "\t") + "\n") } catch {
        return ExitCode.inputOutput
      }
    }
    return 0
  }

  /// Lets the system measure the peak of the resident memory from here on.
  private static func forgetPeakMemory() {
    guard let file = fopen("/proc/self/clear_refs", "w") else { return }
    fputs("5", file)
    fclose(file)
  }

  private static func peakMemory() -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
  }

  private static func childMemory() -> Int { usage(RUSAGE_CHILDREN).ru_maxrss }

  private static func cpuMilliseconds() -> Int {
    [RUSAGE_SELF, RUSAGE_CHILDREN].map { usage($0) }.reduce(0) { sum, usage in
      let (user, system) = (usage.ru_utime, usage.ru_stime)
      return sum + 1000 * (user.tv_sec + system.tv_sec)
        + Int(user.tv_usec + system.tv_usec) / 1000
    }
  }

  private static func usage(_ who: __rusage_who) -> rusage {
    var usage = rusage()
    // int getrusage(int who, struct rusage *usage)
    getrusage(__rusage_who_t(who.rawValue), &usage)
    return usage
  }
}
