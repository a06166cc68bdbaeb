import Foundation
import Storage

/// `metrics.jsonl`: one JSON object a step, each line on its way to the disk before the next step.
package final class MetricsLog {
  /// What is known of one step.
  package struct Line: Codable {
    /// The number of steps done.
    package var step: Int
    /// The mean loss of the batch: mean squared error, or bits per dimension for `bound`.
    var loss: Double
    /// The norm of the gradient before clipping.
    var gradientNorm: Double
    var learningRate: Double
    /// The images seen since the beginning of the run.
    var images: Int
    /// The speed of this step.
    var imagesPerSecond: Double
    /// The time since this process began to train.
    var seconds: Double
  }

  private let path: String
  private let handle: FileHandle
  private let encoder: JSONEncoder

  /// Opens the log to continue after a step; lines of later steps are dropped.
  ///
  /// A run that died between two checkpoints does these steps again.
  package init(path: String, afterStep step: Int) throws(StorageError) {
    self.path = path
    encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys]
    try AtomicFile.write(Array(Self.lines(of: path, upTo: step).utf8), to: path)
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

  /// The whole lines of an old log whose steps are not after `step`.
  private static func lines(of path: String, upTo step: Int) -> String {
    guard step > 0, let bytes = FileManager.default.contents(atPath: path) else { return "" }
    // A byte that is no UTF-8, left by a crash, costs its line and not the whole log.
    let text = String(decoding: bytes, as: UTF8.self)
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return text.split(separator: "\n").filter { line in
      (try? decoder.decode(Line.self, from: Data(line.utf8))).map { $0.step <= step } ?? false
    }.map { $0 + "\n" }.joined()
  }
}
