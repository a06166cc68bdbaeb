import Layers
import MPI
import Parallel
import Tensors

/// Times the network, in training steps or evaluations, with the time of each kind of work.
struct NetworkBenchmark {
  /// A batch of images that all ranks work on together.
  protocol Work {
    /// The images of one run, over all ranks.
    var images: Int { get }
    /// Whether the gradient is computed too.
    var isTraining: Bool { get }
    /// Works on the batch; collective.
    func run() throws
  }

  let network: UNet
  let workers: Workers
  let profile: OperationProfile
  let timer: RoundTimer
  let stepsPerRound: Int

  /// Measures one part; collective.
  func measure(_ name: String, _ work: some Work) throws -> NetworkReport {
    let communicator = timer.communicator
    var warmBytes = 0
    let seconds = try timer.seconds(
      name, repetitions: stepsPerRound,
      warmedUp: {
        warmBytes = workers.allocatedBytes
        profile.reset()
      }, work.run)
    let growth = workers.allocatedBytes - warmBytes
    let runs = timer.rounds * stepsPerRound
    let wall = seconds.reduce(0, +) * Double(stepsPerRound)
    let multiplyAdds = network.multiplyAdds
    let forward = 2e-9 * Double(multiplyAdds.values.reduce(0, +))
    let perImage = work.isTraining ? 3 * forward : forward
    let operations = try operations(
      wall: wall * Double(try communicator.allReduce(workers.count, .sum)),
      gigaflop: multiplyAdds.mapValues { 2e-9 * Double($0 * work.images * runs) })
    let statistics = Statistics(seconds)
    return NetworkReport(
      images: work.images, seconds: statistics,
      imagesPerSecond: Statistics(seconds.map { Double(work.images) / $0 }),
      gigaflopPerImage: perImage,
      gigaflopPerSecond: perImage * Double(work.images) / statistics.median,
      operations: operations, otherShare: 1 - operations.reduce(0) { $0 + $1.share },
      peakMemoryBytes: try PeakMemory.bytes(over: communicator),
      poolBytes: try communicator.allReduce(workers.allocatedBytes, .maximum),
      poolGrowthBytes: try communicator.allReduce(growth, .maximum))
  }

  /// The kinds of work that took time on any rank, the most costly first; collective.
  ///
  /// - Parameters:
  ///   - wall: The seconds that all workers had.
  ///   - gigaflop: The arithmetic of forward in all rounds.
  private func operations(
    wall: Double, gigaflop: [OperationProfile.Kind: Double]
  ) throws -> [NetworkReport.Operation] {
    let seconds = profile.seconds
    return try OperationProfile.Kind.allCases.map { kind in
      let forward = try timer.communicator.allReduce(seconds[kind]?.forward ?? 0, .sum)
      let backward = try timer.communicator.allReduce(seconds[kind]?.backward ?? 0, .sum)
      func speed(_ seconds: Double, factor: Double) -> Double? {
        gigaflop[kind].flatMap { seconds > 0 ? factor * $0 / seconds : nil }
      }
      return NetworkReport.Operation(
        operation: kind.rawValue, share: (forward + backward) / wall, forwardSeconds: forward,
        backwardSeconds: backward, forwardGigaflopPerSecond: speed(forward, factor: 1),
        backwardGigaflopPerSecond: speed(backward, factor: 2))
    }
    .filter { $0.share > 0 }.sorted { $0.share > $1.share }
  }
}
