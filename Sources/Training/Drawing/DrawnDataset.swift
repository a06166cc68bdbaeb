// A dataset drawn from a distribution of which everything is known.

import Diffusion
import Storage
import Tensors

/// Draws a dataset from a distribution of which everything is known, and writes what is known.
public enum DrawnDataset {
  /// What was written.
  public struct Summary: Sendable {
    /// The file.
    public let file: ImageDatasetWriter.Summary
    /// What it knows of its distribution.
    public let truth: KnownTruth
  }

  /// Writes images of a distribution; image i is a function of the seed and i alone.
  ///
  /// −log p is that of the pixels as they are stored, after their rounding to Float.
  ///
  /// - Parameters:
  ///   - count: The number of images, at least 1.
  ///   - origin: How the file was made, for the record.
  ///   - path: The file to write; one that exists is replaced when the new one is complete.
  ///   - progress: Is told after every batch how many images are done.
  /// - Throws: `.badData` where a continuous pixel lies beyond −1 … 1, `.cannotCreate` or
  ///   `.inputOutput`; no file is left then.
  public static func write<Distribution: KnownDistribution>(
    _ distribution: Distribution, count: Int, seed: UInt64, origin: String, to path: String,
    progress: (_ done: Int) -> Void = { _ in }
  ) throws(StorageError) -> Summary {
    precondition(count > 0, "A dataset has images.")
    let format = distribution.levels.map { PixelFormat.levels($0) } ?? .range(-1...1)
    let writer = try ImageDatasetWriter(
      output: path,
      shape: ImageShape(height: distribution.side, width: distribution.side, channels: 1),
      format: format, name: Distribution.name, origin: origin, classNames: distribution.classNames)
    var nats = 0.0
    for first in stride(from: 0, to: count, by: batch) {
      var (pixels, labels): ([Float], [Int]) = ([], [])
      for i in first..<min(first + batch, count) {
        let (x0, label) = image(i, of: distribution, seed: seed)
        let stored = x0.map { Float($0) }
        nats -= distribution.logProbability(of: stored.map { Double($0) })
        pixels += stored
        if let label { labels.append(label) }
      }
      let classes = distribution.classNames == nil ? nil : labels
      switch format {
      case .levels:
        let bytes = pixels.withUnsafeBufferPointer { format.encode($0) }
        try writer.append(images: bytes, labels: classes)
      case .range: try writer.append(values: pixels, labels: classes)
      }
      progress(min(first + batch, count))
    }
    let truth = KnownTruth(
      distribution: Distribution.name, entropy: distribution.entropy,
      negativeLogLikelihood: nats / Double(count))
    return Summary(
      file: try writer.finish(truth: truth, parameters: distribution.parameters), truth: truth)
  }

  /// Images that are drawn before they are written.
  private static let batch = 4096

  /// Image i of a seed, and its class.
  private static func image(
    _ i: Int, of distribution: some KnownDistribution, seed: UInt64
  ) -> (x0: [Double], label: Int?) {
    let numbers = distribution.randomNumbers
    func stream(_ step: Int) -> RandomStream {
      RandomStream(seed: seed, purpose: .dataset, step: step, shard: i)
    }
    var normals = [Float](repeating: 0, count: numbers.normals)
    normals.withUnsafeMutableBufferPointer { stream(0).fillNormal($0) }
    return distribution.image(
      normals: normals.map { Double($0) }, uniforms: stream(1).uniforms(count: numbers.uniforms))
  }
}
