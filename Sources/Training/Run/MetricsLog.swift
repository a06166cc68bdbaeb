// The metrics of a run, a line a step.

import Foundation
import Storage

/// `metrics.jsonl`: one JSON object a step, each line on its way to the disk before the next step.
package final class MetricsLog {
  /// What is known of one step.
  package struct Line: Encodable {
    /// The number of steps done.
    let step: Int
    /// The mean loss of the batch, in the model's unit.
    let loss: Double
    /// Its terms.
    let terms: [String: Double]
    /// Vectors that were summed over the batch.
    let sums: [String: [Double]]
    /// The mean loss of the images of validation, with the moving average; nil where this step was
    /// not validated.
    let validation: Double?
    /// Its terms.
    let validationTerms: [String: Double]?
    /// The norm of the gradient before clipping.
    let gradientNorm: Double
    let learningRate: Double
    /// The images seen since the beginning of the run.
    let images: Int
    /// The speed of this step.
    let imagesPerSecond: Double
    /// The time that the run has trained, in earlier processes too.
    let seconds: Double

    /// What is known after a step.
    package init(
      _ report: Trainer.StepReport, validation: LossReport? = nil, images: Int,
      imagesPerSecond: Double, seconds: Double
    ) {
      step = report.step
      (loss, terms, sums) = (report.losses.total, report.losses.terms, report.losses.sums)
      (self.validation, validationTerms) = (validation?.total, validation?.terms)
      (gradientNorm, learningRate) = (report.gradientNorm, report.learningRate)
      (self.images, self.imagesPerSecond, self.seconds) = (images, imagesPerSecond, seconds)
    }
  }

  /// What a line of any version has: one that has it not is torn.
  private struct Earlier: Decodable {
    let step, images: Int
    let loss, gradientNorm, learningRate, imagesPerSecond, seconds: Double
  }

  /// The time that the steps before this process have taken.
  package let earlierSeconds: Double
  /// Where an old log went of which no line is kept; nil where there was none.
  package let setAside: String?

  private let path: String
  private let handle: FileHandle
  private let encoder: JSONEncoder

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
    let old = try AtomicFile.contents(of: path) ?? []
    let (text, seconds) = Self.lines(of: old, upTo: step)
    earlierSeconds = seconds
    setAside = old.isEmpty || !text.isEmpty ? nil : try Self.setAside(path)
    try AtomicFile.write(Array(text.utf8), to: path)
    guard let handle = FileHandle(forWritingAtPath: path) else {
      throw .inputOutput(path: path, reason: "cannot be opened for writing")
    }
    self.handle = handle
    do {
      try handle.seekToEnd()
    } catch {
      throw .inputOutput(path: path, reason: "cannot be continued: \(systemCause(of: error))")
    }
  }

  /// Appends a line.
  package func append(_ line: Line) throws(StorageError) {
    do {
      try handle.write(contentsOf: encoder.encode(line) + Data("\n".utf8))
    } catch {
      throw .inputOutput(path: path, reason: "cannot be written: \(systemCause(of: error))")
    }
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

  /// The whole lines of an old log whose steps are not after `step`, and the time of the last of
  /// them.
  private static func lines(of bytes: [UInt8], upTo step: Int) -> (text: String, seconds: Double) {
    guard step > 0 else { return ("", 0) }
    // A byte that is no UTF-8, left by a crash, costs its line and not the whole log.
    let text = String(decoding: bytes, as: UTF8.self)
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    var (kept, seconds) = ("", 0.0)
    for line in text.split(separator: "\n") {
      guard let earlier = try? decoder.decode(Earlier.self, from: Data(line.utf8)),
        earlier.step <= step
      else { continue }
      kept += line + "\n"
      seconds = earlier.seconds
    }
    return (kept, seconds)
  }
}
