// The way of images from the disk.

import Storage
import Tensors
import Training

/// Times the reading of images in the order in which training asks for them.
struct ReadingBenchmark {
  private let plan: TrainingPlan
  private let orders: [ShardOrder]
  private let trained: ImageReader
  private let unloaded: ImageReader

  /// Opens this rank's part of the dataset.
  ///
  /// - Throws: `StorageError`.
  init(plan: TrainingPlan, rank: Int, ranks: Int) throws(StorageError) {
    self.plan = plan
    orders = plan.tree.shards(ofRank: rank, ranks: ranks).map { plan.order(ofShard: $0) }
    let range = orders.first!.images.lowerBound..<orders.last!.images.upperBound
    trained = try ImageReader(plan.dataset, range: range)
    unloaded = try ImageReader(plan.dataset, range: range, memoryLimit: 0)
  }

  /// Measures the reading; collective.
  func measure(_ timer: RoundTimer) throws -> ReadingReport {
    let imageBytes = plan.dataset.shape.count * plan.dataset.format.bytes
    let images = plan.configuration.training.batch
    let buffer = AlignedFloats(count: plan.shardBatch * plan.dataset.shape.count)
    // The parts of the ranks differ by an image: all must measure the same sources.
    let preloaded = try timer.communicator.allReduce(trained.isPreloaded ? 1 : 0, .minimum)
    let readers = (preloaded == 1 ? [("memory", trained)] : []) + [("file", unloaded)]
    return ReadingReport(
      imageBytes: imageBytes,
      sources: try readers.map { source, reader in
        var step = 0
        let seconds = try timer.secondsOfShort("reading: \(source)") {
          for order in orders {
            try reader.read(order.indices(step: step), into: buffer.elements.baseAddress!)
          }
          step += 1
        }
        let statistics = Statistics(seconds)
        return ReadingReport.Source(
          source: source, images: images, seconds: statistics,
          imagesPerSecond: Statistics(seconds.map { Double(images) / $0 }),
          megabytesPerSecond: 1e-6 * Double(imageBytes * images) / statistics.median)
      })
  }
}
