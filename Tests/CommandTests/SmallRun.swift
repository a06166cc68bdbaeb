// A training run that takes half a second, and what its folder holds.

import Foundation
import Storage
import TestSupport
import Testing

/// All tests of the programs, as many at a time as `Gate.programs` lets in.
@Suite struct CommandTests {}

/// The folder of a training run of the digits with a small network.
struct SmallRun: Sendable {
  /// Settings that make a step take 20 ms.
  static let settings = [
    "channels=8", "groups=4", "batch=32", "diffusion_steps=20", "sample_every=0", "warmup_steps=2",
  ]

  /// The words that give the small network's settings, and more, beside other options.
  ///
  /// A setting must not be given twice: those of `settings`, and those that have an option of their
  /// own in `options`, take the place of the small network's.
  static func words(_ settings: [String] = [], beside options: [String] = []) -> [String] {
    let given = settings.map { $0.prefix { $0 != "=" } } + options.map { $0.drop { $0 == "-" } }
    return ["--set"] + Self.settings.filter { !given.contains($0.prefix { $0 != "=" }) } + settings
  }

  let path: String

  /// One run of 20 steps in a single process: what many tests compare with or go on from.
  static let reference = Task {
    let run = SmallRun("\(sharedFolder.path)/reference")
    let outcome = try await run.train(["--steps", "20", "--workers", "1"])
    try #require(outcome.status == 0, "\(outcome)")
    return run
  }

  init(_ path: String) { self.path = path }

  /// Trains in this folder; `options` come after the small network's settings.
  func train(
    _ options: [String], settings: [String] = [], ranks: Int? = nil,
    meanwhile: (@Sendable (pid_t) async -> Void)? = nil
  ) async throws -> Outcome {
    try await run(
      .dist, ["train", "--run", path] + options + Self.words(settings, beside: options),
      ranks: ranks, meanwhile: meanwhile)
  }

  /// Copies the run to a new folder.
  func copy(to path: String) throws -> SmallRun {
    try FileManager.default.copyItem(atPath: self.path, toPath: path)
    return SmallRun(path)
  }

  func checkpoint(_ step: Int) -> String {
    CheckpointFolder(path: "\(path)/checkpoints").path(step: step)
  }

  func digest(_ step: Int = 20) throws -> String {
    try Checkpoint.contentDigest(path: checkpoint(step))
  }

  /// The names of the checkpoints.
  func checkpointNames() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "\(path)/checkpoints").sorted()
  }

  /// The lines of metrics.jsonl: their numbers, with those of terms and sums under names such as
  /// `terms.simple` and `sums.loss_by_timestep.3`.
  func metrics() throws -> [[String: Double]] {
    func flat(_ value: Any, _ name: String) -> [(String, Double)] {
      switch value {
      case let object as [String: Any]:
        object.flatMap { flat($0.value, name.isEmpty ? $0.key : "\(name).\($0.key)") }
      case let list as [Any]: list.enumerated().flatMap { flat($0.element, "\(name).\($0.offset)") }
      case let number as Double: [(name, number)]
      default: []
      }
    }
    return try String(contentsOfFile: "\(path)/metrics.jsonl", encoding: .utf8)
      .split(separator: "\n").map { line in
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
        return Dictionary(uniqueKeysWithValues: flat(object, ""))
      }
  }

  /// Changes a checkpoint and writes it anew, with a checksum that fits.
  func forge(_ step: Int, _ change: (inout Checkpoint) -> Void) throws {
    var checkpoint = try Checkpoint.read(path: checkpoint(step))
    change(&checkpoint)
    try checkpoint.write(to: self.checkpoint(step))
  }

  /// Flips one bit in the middle of a checkpoint.
  func damage(_ step: Int) throws {
    var bytes = try [UInt8](contentsOf: checkpoint(step))
    bytes[bytes.count / 2] ^= 1
    try Data(bytes).write(to: URL(fileURLWithPath: checkpoint(step)))
  }

  /// Cuts a checkpoint off in its middle.
  func truncate(_ step: Int) throws {
    let bytes = try [UInt8](contentsOf: checkpoint(step))
    try Data(bytes[..<(bytes.count / 2)]).write(to: URL(fileURLWithPath: checkpoint(step)))
  }
}

/// The folder of what several tests share, removed when the tests exit.
let sharedFolder: TemporaryFolder = {
  atexit { try? FileManager.default.removeItem(atPath: sharedFolderPath) }
  let folder = try! TemporaryFolder()
  sharedFolderPath = folder.path
  return folder
}()

// Written once, above, before anything can read it.
nonisolated(unsafe) private var sharedFolderPath = ""

extension [UInt8] {
  /// The bytes of a file.
  init(contentsOf path: String) throws {
    self = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
  }
}

/// Everything below a folder, files with their bytes, links with what they lead to: to see that nothing
/// has changed.
func snapshot(_ folder: String) throws -> [String: [UInt8]] {
  let manager = FileManager.default
  var files: [String: [UInt8]] = [:]
  for name in try manager.subpathsOfDirectory(atPath: folder) {
    let path = "\(folder)/\(name)"
    files[name] =
      switch try manager.attributesOfItem(atPath: path)[.type] as? FileAttributeType {
      case .typeRegular: try [UInt8](contentsOf: path)
      case .typeSymbolicLink: Array(try manager.destinationOfSymbolicLink(atPath: path).utf8)
      case let kind: Array("\(kind as Any)".utf8)
      }
  }
  return files
}
