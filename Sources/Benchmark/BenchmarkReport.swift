// What a benchmark says.

import Foundation
import Parallel

/// What a benchmark has measured, and on what: the JSON of `ddpm-dist benchmark --json`.
///
/// Times are those of the slowest rank.
public struct BenchmarkReport: Codable, Sendable {
  /// The parts that were measured.
  public struct Parts: Codable, Sendable {
    /// Training steps.
    public var step: NetworkReport?
    /// Evaluations of the network, as in sampling.
    public var evaluation: NetworkReport?
    /// The gradient exchange alone.
    public var exchange: ExchangeReport?
    /// Reading images in the order of training.
    public var reading: ReadingReport?
  }

  /// `ddpm-dist`.
  public var program: String
  /// Its version.
  public var version: String
  /// The first rank's CPU, as the kernel calls it.
  public var cpu: String
  /// The instruction sets that the program was built for.
  public var instructions: [String]
  /// The first rank's cores, whatever it may use of them.
  public var cores: Int
  /// The first rank's node.
  public var host: String
  /// One line a node: its ranks, the cores that they may use, their workers.
  public var nodes: [String]
  /// The BLAS library.
  public var blas: String
  /// The MPI library.
  public var mpi: String
  /// The ranks of the job.
  public var ranks: Int
  /// The worker threads of all ranks.
  public var workers: Int
  /// The parameters of the network.
  public var parameters: Int
  /// The images of a training step, over all ranks.
  public var batch: Int
  /// Where the images come from.
  public var dataset: String
  /// The rounds that count.
  public var rounds: Int
  /// The training steps or evaluations of a round.
  public var stepsPerRound: Int
  /// Every setting with its value.
  public var settings: [String: String]
  /// The results.
  public var parts = Parts()

  /// The report as JSON with sorted keys in snake case, and a line break at its end.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
  }
}

/// The speed of the network, in training or without a tape.
public struct NetworkReport: Codable, Sendable {
  /// One kind of work.
  public struct Operation: Codable, Sendable {
    /// As `OperationProfile.Kind` calls it.
    public var operation: String
    /// The share of the workers' time, 0 to 1.
    public var share: Double
    /// Seconds of all workers in all rounds: forward, and work that has no direction.
    public var forwardSeconds: Double
    /// Seconds of all workers in all rounds: backward.
    public var backwardSeconds: Double
    /// The speed of one worker forward; nil for work that is no multiply-adds.
    public var forwardGigaflopPerSecond: Double?
    /// The speed of one worker backward, by twice the arithmetic of forward.
    public var backwardGigaflopPerSecond: Double?
  }

  /// The images of one step or evaluation, over all ranks.
  public var images: Int
  /// The time of one step or evaluation.
  public var seconds: Statistics
  /// The speed over all ranks.
  public var imagesPerSecond: Statistics
  /// 2 × the multiply-adds by definition; training counts three times forward.
  public var gigaflopPerImage: Double
  /// The arithmetic by definition over the median time, over all ranks.
  public var gigaflopPerSecond: Double
  /// The kinds of work, the most costly first.
  public var operations: [Operation]
  /// The share of the workers' time that is in no operation: waiting, and what is not timed.
  public var otherShare: Double
  /// The highest resident memory of a rank from its beginning to the end of this part.
  public var peakMemoryBytes: Int
  /// The memory of the rank whose workers' pools hold most, at the end.
  public var poolBytes: Int
  /// What pools grew by after the warm-up, at most on one rank.
  public var poolGrowthBytes: Int
}

/// The communication of a training step alone.
public struct ExchangeReport: Codable, Sendable {
  /// One collective operation on a buffer as long as the parameters.
  public struct Operation: Codable, Sendable {
    /// `reduce`, `gather`, `reduce and gather`, or `MPI all-reduce`.
    public var operation: String
    /// What each rank sends, at the least.
    public var bytesSent: Int
    /// What rank 0 sends to ranks of other nodes; nil where all are on one, and for what the library does.
    public var betweenNodes: ExchangeTraffic?
    /// The time of one operation.
    public var seconds: Statistics
    /// `bytesSent` over the median time, 10⁹ bytes a second.
    public var gigabytesPerSecond: Double
  }

  /// How the time of a collective operation grows with its size.
  public struct Sweep: Codable, Sendable {
    /// `all-to-all` or `all-gather`.
    public var operation: String
    /// What each rank sent, and the median time.
    public var points: [MessageCost.Point]
    /// alpha + beta × bytes; nil where the buffer is too short for several sizes.
    public var cost: MessageCost?
  }

  /// The bytes of the parameter buffer.
  public var bufferBytes: Int
  /// The ranks that exchange within their node first; 1 where all exchange at once.
  public var ranksPerNode = 1
  /// Operations on the whole buffer; none on one rank.
  public var operations: [Operation] = []
  /// Messages of growing size; none on one rank.
  public var sweeps: [Sweep] = []
}

/// The speed of reading images in the order of training.
public struct ReadingReport: Codable, Sendable {
  /// Reading from one place.
  public struct Source: Codable, Sendable {
    /// `memory`, as training reads what fits into it, or `file`.
    public var source: String
    /// The images of one step, over all ranks.
    public var images: Int
    /// The time of one step's images.
    public var seconds: Statistics
    /// The speed over all ranks.
    public var imagesPerSecond: Statistics
    /// Stored pixels over the median time, 10⁶ bytes a second.
    public var megabytesPerSecond: Double
  }

  /// The bytes of one image as it is stored.
  public var imageBytes: Int
  /// Memory, where the images fit, and the file.
  public var sources: [Source]
}
