// The metrics of a run, a line a step.

import Foundation
import Storage

/// `metrics.jsonl`: one JSON object a step, each line on its way to the disk before the next step.
package final class MetricsLog {
  /// What is known of one step.
  package struct Line: Encodable {
    /// The number of steps done.
    let step: Int
    /// The mean loss of the batch, in the model's unit; nil where it is not finite.
    let loss: Double?
    /// Its terms, those that are finite.
    let terms: [String: Double]
    /// Vectors that were summed over the batch, those that are finite.
    let sums: [String: [Double]]
    /// True where the step was left out; nil elsewhere.
    let skipped: Bool?
    /// The step whose weights the run has gone back to after this one; nil where it has not.
    let rolledBackTo: Int?
    /// The mean loss of the images of validation, with the moving average; nil where this step was
    /// not validated.
    let validation: Double?
    /// Its terms.
    let validationTerms: [String: Double]?
    /// The norm of the gradient before clipping; nil where it is not finite.
    let gradientNorm: Double?
    let learningRate: Double
    /// The images seen since the beginning of the run.
    let images: Int
    /// The speed of this step.
    let imagesPerSecond: Double
    /// The time that the run has trained, in earlier processes too.
    let seconds: Double
    /// The speed of this step in 1e9 multiplications and additions; nil where they are not known.
    let gigaflopsPerSecond: Double?
    /// The norm of each tensor's gradient before clipping, those that are finite; nil where this step was not
    /// measured.
    let gradientNorms: [String: Double]?
    /// Where the time of the rank that computed and read longest has gone; nil where it is not known.
    let slowest: Slowest?
    /// How long each rank computed and read, to four digits; nil at a step that does not tell,
    /// and of a single rank.
    let rankSeconds: [Double]?

    /// A rank, and its seconds.
    struct Slowest: Encodable {
      let rank: Int
      let host: String
      /// Forward and backward; reading images.
      let computeSeconds, readSeconds: Double
      /// At the step before: waiting for the gradients of all, and the optimizer with the spreading of the
      /// weights.
      let waitSeconds, updateSeconds: Double
    }

    /// What is known after a step.
    package init(
      _ report: Trainer.StepReport, rolledBackTo target: Int? = nil,
      validation: LossReport? = nil, images: Int, imagesPerSecond: Double, seconds: Double,
      gigaflopsPerSecond: Double? = nil, hosts: [String] = []
    ) {
      func finite(_ value: Double) -> Double? { value.isFinite ? value : nil }
      step = report.step
      loss = finite(report.losses.total)
      terms = report.losses.terms.filter(\.value.isFinite)
      sums = report.losses.sums.filter { $0.value.allSatisfy(\.isFinite) }
      if case .updated = report.outcome { skipped = nil } else { skipped = true }
      rolledBackTo = target
      (self.validation, validationTerms) = (validation?.total, validation?.terms)
      (gradientNorm, learningRate) = (finite(report.gradientNorm), report.learningRate)
      (self.images, self.imagesPerSecond, self.seconds) = (images, imagesPerSecond, seconds)
      self.gigaflopsPerSecond = gigaflopsPerSecond
      gradientNorms = report.gradientNorms?.filter(\.value.isFinite)
      let (rank, times) = StepTimes.slowest(report.times)
      slowest =
        hosts.isEmpty
        ? nil
        : Slowest(
          rank: rank, host: hosts[rank], computeSeconds: times.compute, readSeconds: times.read,
          waitSeconds: times.wait, updateSeconds: times.update)
      rankSeconds =
        report.times.count > 1 && report.step % Self.rankPeriod(report.times.count) == 0
        ? report.times.map { Double(String(format: "%.4g", $0.work)) ?? 0 } : nil
    }

    /// Every so many steps a line tells the time of each rank: sixteen numbers a line are enough.
    private static func rankPeriod(_ ranks: Int) -> Int { (ranks + 15) / 16 }
  }

  /// What a line of any version has: one that has it not is torn.
  private struct Earlier: Decodable {
    let step, images: Int
    let loss, gradientNorm: Double?
    let skipped: Bool?
    let learningRate, imagesPerSecond, seconds: Double
  }

  /// The time that the steps before this process have taken.
  package let earlierSeconds: Double
  /// Where an old log went of which no line is kept; nil where there was none.
  package let setAside: String?

  private let path: String
  private let handle: FileHandle
  private let encoder: JSONEncoder
  /// Where the file ends.
  private var end: UInt64 = 0
  /// Lines that could not be written yet.
  private var waiting = Data()

  /// Opens the log to continue after a step; lines of later steps are dropped.
  ///
  /// A run that died between two checkpoints does these steps again. A log of which nothing would be
  /// left is given another name, `metrics.1.jsonl`, and not overwritten.
  ///
  /// - Throws: `StorageError`, also where the old log cannot be read: it stays as it is then.
  package init(path: String, afterStep step: Int) throws(StorageError) {
    self.path = path
    encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys]
    let (kept, isEmpty, seconds) = try Self.kept(of: path, upTo: step)
    earlierSeconds = seconds
    setAside = isEmpty || !kept.isEmpty ? nil : try Self.setAside(path)
    // A new file, so that whoever follows the old one sees that lines have gone.
    if kept.isEmpty {
      try AtomicFile.write("", to: path)
    } else {
      try AtomicFile.copy(path, kept, to: path)
    }
    guard let handle = FileHandle(forWritingAtPath: path) else {
      throw .inputOutput(path: path, reason: "cannot be opened for writing")
    }
    self.handle = handle
    do {
      end = try handle.seekToEnd()
      // The last line may have no end.
      if end < kept.reduce(0, { $0 + $1.count }) { waiting = Data("\n".utf8) }
    } catch {
      throw .inputOutput(path: path, reason: "cannot be continued: \(systemCause(of: error))")
    }
  }

  /// Appends a line; where the disk fails, it is kept in memory and written with the next one.
  ///
  /// - Returns: What to warn of, at the first line that could not be written.
  package func append(_ line: Line) -> String? {
    guard let encoded = try? encoder.encode(line) else {
      preconditionFailure("A line has finite numbers only.")
    }
    let isFirst = waiting.isEmpty
    waiting += encoded + Data("\n".utf8)
    do throws(StorageError) {
      try flush()
    } catch {
      return isFirst
        ? "\(error): its lines are kept in memory, and written when that is mended" : nil
    }
    return nil
  }

  /// Writes the lines that wait.
  ///
  /// - Throws: `StorageError.inputOutput`; they wait on then.
  package func flush() throws(StorageError) {
    guard !waiting.isEmpty else { return }
    do {
      // A write that has failed may have written a part.
      try handle.truncate(atOffset: end)
      try handle.write(contentsOf: waiting)
      end += UInt64(waiting.count)
      waiting = Data()
    } catch {
      throw .inputOutput(path: path, reason: "cannot be written: \(systemCause(of: error))")
    }
  }

  /// Forces the lines to the disk: else the power that fails may take lines of steps that a later
  /// checkpoint has.
  ///
  /// - Returns: What to warn of where that fails.
  package func synchronize() -> String? {
    do {
      try handle.synchronize()
    } catch {
      return
        "\(path): cannot be forced to the disk: \(systemCause(of: error)); its last lines may be "
        + "lost if the power fails"
    }
    return nil
  }

  /// Gives the old log the first free of the names `metrics.1.jsonl`, `metrics.2.jsonl`, …
  private static func setAside(_ path: String) throws(StorageError) -> String {
    let stem = path.hasSuffix(".jsonl") ? String(path.dropLast(6)) : path
    var number = 1
    while true {
      let name = "\(stem).\(number).jsonl"
      if try AtomicFile.rename(path, toFree: name) { return name }
      number += 1
    }
  }

  /// Where the whole lines of an old log are whose steps are not after `step`, and the time of the last of
  /// them; a byte that a crash has left costs its line and not the whole log.
  private static func kept(
    of path: String, upTo step: Int
  ) throws(StorageError) -> (ranges: [Range<Int>], isEmpty: Bool, seconds: Double) {
    var (kept, seconds, isEmpty) = ([Range<Int>](), 0.0, true)
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    try LogLines.read(path) { lines, start in
      isEmpty = false
      guard step > 0 else { return false }
      let known = lines.decoded { try? decoder.decode(Earlier.self, from: $0) }
      for (earlier, range) in zip(known, lines.ranges) {
        guard let earlier, earlier.step <= step,
          earlier.skipped == true || earlier.loss != nil && earlier.gradientNorm != nil
        else { continue }
        seconds = earlier.seconds
        let (first, end) = (start + range.lowerBound, start + range.upperBound + 1)
        if kept.last?.upperBound == first {
          kept[kept.count - 1] = kept[kept.count - 1].lowerBound..<end
        } else {
          kept.append(first..<end)
        }
      }
      return known.last.flatMap(\.self).map { $0.step <= step } ?? true
    }
    return (kept, isEmpty, seconds)
  }
}
