// The event file of a run's folder.

import Foundation
import Storage
import Training

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
  private let log: String
  /// The time of the run's first step, in seconds since 1970.
  private var origin: Double?
  private var handle: FileHandle?
  /// The grids that are in the file.
  private var pictures = Set<Int>()

  /// The event file of a start.
  ///
  /// - Parameters:
  ///   - folder: The run's folder.
  ///   - log: The log that it is made from.
  ///   - host: The name of this machine.
  init(folder: String, log: String, host: String) {
    (self.folder, self.log) = (folder, log)
    let time = String(format: "%010d", Int(Date().timeIntervalSince1970))
    let name = host.map { $0.isLetter || $0.isNumber || $0 == "-" ? $0 : "-" }
    path = "\(folder)/\(Self.prefix)\(time).\(String(name)).\(getpid())\(Self.suffix)"
  }

  /// Takes in lines of the log, and the grids of samples of their steps.
  ///
  /// - Parameters:
  ///   - seconds: How long the run has trained by now: tells when earlier lines were written.
  ///   - samples: The steps of which there is a grid, and its path.
  /// - Throws: `StorageError`; the next call then writes the file anew.
  mutating func append(
    _ lines: [MetricsLine], seconds: Double, samples: [(step: Int, path: String)]
  ) throws {
    origin = origin ?? Date().timeIntervalSince1970 - seconds
    guard let handle else {
      // The log may have grown beyond the step that was taken in last.
      return try lines.last.map { try write(upTo: $0.step, samples) } ?? ()
    }
    let bytes = records(of: lines) + (try grids(samples))
    guard !bytes.isEmpty else { return }
    do {
      try handle.write(contentsOf: Data(bytes))
    } catch {
      // What was written of it may end in the middle of a record.
      self.handle = nil
      throw StorageError.inputOutput(
        path: path, reason: "cannot be written: \(systemCause(of: error))")
    }
  }

  /// Writes the whole file.
  private mutating func write(
    upTo last: Int, _ samples: [(step: Int, path: String)]
  ) throws {
    pictures = []
    var bytes = Event(versionAt: origin ?? 0).record
    try MetricsReader.read(log, upTo: last) { bytes += records(of: $0) }
    bytes += try grids(samples)
    try AtomicFile.write(bytes, to: path)
    handle = FileHandle(forWritingAtPath: path)
    _ = try? handle?.seekToEnd()
    removeOthers()
  }

  private func records(of lines: [MetricsLine]) -> [UInt8] {
    // A tensor each would be hundreds of curves: they are one histogram.
    func isNorm(_ number: MetricsLine.Number) -> Bool { number.path.hasPrefix("gradient_norms/") }
    return lines.flatMap { line in
      var values: [(tag: String, value: Event.Value)] = line.numbers.filter { !isNorm($0) }
        .map { ($0.path, .scalar($0.value)) }
      let norms = line.numbers.filter(isNorm).map(\.value)
      if !norms.isEmpty { values.append(("gradient_norms", .histogram(norms))) }
      return Event(time: (origin ?? 0) + (line["seconds"] ?? 0), step: line.step, values).record
    }
  }

  /// The records of grids that are not in the file yet.
  private mutating func grids(_ samples: [(step: Int, path: String)]) throws -> [UInt8] {
    var bytes: [UInt8] = []
    for (step, path) in samples where !pictures.contains(step) {
      guard let content = try AtomicFile.contents(of: path) else { continue }
      let time = Date().timeIntervalSince1970
      bytes += Event(time: time, step: step, [("samples", .picture(Data(content)))]).record
      pictures.insert(step)
    }
    return bytes
  }

  /// Removes the files of earlier starts.
  private func removeOthers() {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for name in names where name.hasPrefix(Self.prefix) && name.hasSuffix(Self.suffix) {
      let other = "\(folder)/\(name)"
      if other != path { unlink(other) }  // int unlink(const char *pathname)
    }
  }
}
