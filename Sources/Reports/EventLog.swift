// The event file of a run's folder.

import Foundation
import Storage

/// What metrics.jsonl and the grids of samples tell, for TensorBoard and all that read its files.
///
/// The log is the truth and this follows from it: a start writes one file of all that the log has kept and
/// removes that of the start before, so that no step is there twice.
struct EventLog {
  /// The end of the names of our files: others are not touched.
  static let suffix = ".ddpm-dist"
  private static let prefix = "events.out.tfevents."

  private let folder: String
  private let path: String
  /// The time of the run's first step, in seconds since 1970.
  private var origin: Double?
  private var handle: FileHandle?
  /// The grids that are in the file.
  private var pictures = Set<Int>()

  /// The event file of a start.
  ///
  /// - Parameters:
  ///   - folder: The run's folder.
  ///   - host: The name of this machine.
  init(folder: String, host: String) {
    self.folder = folder
    let time = String(format: "%010d", Int(Date().timeIntervalSince1970))
    let name = host.map { $0.isLetter || $0.isNumber || $0 == "-" ? $0 : "-" }
    path = "\(folder)/\(Self.prefix)\(time).\(String(name)).\(getpid())\(Self.suffix)"
  }

  /// Takes in lines of the log, and the grids of samples of their steps.
  ///
  /// - Parameters:
  ///   - seconds: How long the run has trained by now: tells when earlier lines were written.
  ///   - samples: The steps of which there is a grid, and its path.
  /// - Throws: `StorageError`.
  mutating func append(
    _ lines: [MetricsLine], seconds: Double, samples: [(step: Int, path: String)]
  ) throws {
    var bytes: [UInt8] = []
    let now = Date().timeIntervalSince1970
    let start = origin ?? now - seconds
    origin = start
    if handle == nil { bytes += Event(versionAt: start).record }
    for line in lines {
      // A tensor each would be hundreds of curves: they are one histogram.
      let isNorm = { (number: MetricsLine.Number) in number.path.hasPrefix("gradient_norms/") }
      var values: [(tag: String, value: Event.Value)] = line.numbers.filter { !isNorm($0) }
        .map { ($0.path, .scalar($0.value)) }
      let norms = line.numbers.filter(isNorm).map(\.value)
      if !norms.isEmpty { values.append(("gradient_norms", .histogram(norms))) }
      bytes += Event(time: start + (line["seconds"] ?? 0), step: line.step, values).record
    }
    for (step, path) in samples where !pictures.contains(step) {
      guard let content = try AtomicFile.contents(of: path) else { continue }
      bytes += Event(time: now, step: step, [("samples", .picture(Data(content)))]).record
      pictures.insert(step)
    }
    guard !bytes.isEmpty else { return }
    if handle == nil {
      try AtomicFile.write(bytes, to: path)
      handle = FileHandle(forWritingAtPath: path)
      try removeOthers()
      _ = try? handle?.seekToEnd()
    } else {
      do {
        try handle?.write(contentsOf: Data(bytes))
      } catch {
        throw StorageError.inputOutput(path: path, reason: "cannot be written: \(error)")
      }
    }
  }

  /// Removes the files of earlier starts.
  private func removeOthers() throws {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for name in names where name.hasPrefix(Self.prefix) && name.hasSuffix(Self.suffix) {
      let other = "\(folder)/\(name)"
      if other != path { unlink(other) }  // int unlink(const char *pathname)
    }
  }
}
