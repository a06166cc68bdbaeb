// The speed of training steps and evaluations, and where their time goes.

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
    let operations = try operations(
      wall: wall * Double(try communicator.allReduce(workers.count, .sum)))
    let multiplyAdds = operations.reduce(0) { $0 + $1.multiplyAdds }
    let forward = 2e-9 * Double(multiplyAdds) / Double(work.images * runs)
    let perImage = work.isTraining ? 3 * forward : forward
    let statistics = Statistics(seconds)
    return NetworkReport(
      images: work.images, seconds: statistics,
      imagesPerSecond: Statistics(seconds.map { Double(work.images) / $0 }),
      gigaflopPerImage: perImage,
      gigaflopPerSecond: perImage * Double(work.images) / statistics.median,
      operations: operations.map(\.report),
      otherShare: 1 - operations.reduce(0) { $0 + $1.report.share },
      peakMemoryBytes: try PeakMemory.bytes(over: communicator),
      poolBytes: try communicator.allReduce(workers.peakBytes, .maximum),
      poolGrowthBytes: try communicator.allReduce(growth, .maximum))
  }

  /// The kinds of work that took time on any rank, the most costly first; collective.
  ///
  /// - Parameter wall: The seconds that all workers had.
  private func operations(
    wall: Double
  ) throws -> [(report: NetworkReport.Operation, multiplyAdds: Int)] {
    let work = Dictionary(uniqueKeysWithValues: profile.work.map { ($0.key.name, $0.value) })
    let communicator = timer.communicator
    // A rank may have done no work of some kind: all must ask for the same ones.
    let names = try communicator.allGather(Array(work.keys.joined(separator: "\n").utf8))
      .flatMap { String(decoding: $0, as: UTF8.self).split(separator: "\n").map(String.init) }
    return try Set(names).sorted().map { name in
      let own = work[name] ?? OperationProfile.Work()
      let forward = try communicator.allReduce(own.forward, .sum)
      let backward = try communicator.allReduce(own.backward, .sum)
      let multiplyAdds = try communicator.allReduce(own.multiplyAdds, .sum)
      func speed(_ seconds: Double, factor: Double) -> Double? {
        multiplyAdds > 0 && seconds > 0 ? factor * 2e-9 * Double(multiplyAdds) / seconds : nil
      }
      let report = NetworkReport.Operation(
        operation: name, share: (forward + backward) / wall, forwardSeconds: forward,
        backwardSeconds: backward, forwardGigaflopPerSecond: speed(forward, factor: 1),
        backwardGigaflopPerSecond: speed(backward, factor: 2))
      return (report, multiplyAdds)
    }
    .filter { $0.report.share > 0 }.sorted { $0.report.share > $1.report.share }
  }
}
