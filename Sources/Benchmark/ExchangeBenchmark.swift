// The communication of a step without its computation.

import MPI
import Parallel
import Tensors

/// Times the communication of a training step without the training.
package struct ExchangeBenchmark {
  /// The length of the parameter buffer.
  let count: Int
  let timer: RoundTimer

  private var communicator: Communicator { timer.communicator }

  /// The communication of a buffer of so many floats.
  package init(count: Int, timer: RoundTimer) { (self.count, self.timer) = (count, timer) }

  /// Measures the exchange and its collective operations; collective.
  func measure() throws -> ExchangeReport {
    var report = ExchangeReport(bufferBytes: count * MemoryLayout<Float>.stride)
    guard communicator.size > 1 else { return report }
    // Zeros stay zeros however often they are added.
    let (gradient, weights) = (AlignedFloats(count: count), AlignedFloats(count: count))
    let hierarchy = try RankHierarchy(nodesOf: communicator)
    report.ranksPerNode = hierarchy.levels > 1 ? hierarchy.ranksPerNode : 1
    let exchange = GradientExchange(hierarchy, count: count)
    let once = bytesSent(of: count)
    report.operations = [
      try operation("reduce", once, exchange) { try exchange.reduce(gradient) },
      try operation("gather", once, exchange) { try exchange.gather(weights) },
      try operation("reduce and gather", 2 * once, exchange) {
        try exchange.reduce(gradient)
        try exchange.gather(weights)
      },
      try operation("MPI all-reduce", 2 * once) {
        try communicator.allReduce(gradient.elements, .sum)
      },
    ]
    report.sweeps = try sweeps(gradient, weights)
    return report
  }

  /// Measures messages of growing size alone, up to that of the buffer; collective.
  ///
  /// - Returns: Those of an all-to-all and of an all-gather; none on one rank.
  package func measureMessages() throws -> [ExchangeReport.Sweep] {
    guard communicator.size > 1 else { return [] }
    return try sweeps(AlignedFloats(count: count), AlignedFloats(count: count))
  }

  private func sweeps(
    _ gradient: AlignedFloats, _ weights: AlignedFloats
  ) throws -> [ExchangeReport.Sweep] {
    [
      try sweep("all-to-all") { parts in
        let elements = 0..<parts.last!.upperBound
        return try communicator.beginAllToAll(
          from: UnsafeBufferPointer(rebasing: gradient.elements[elements]), parts: parts,
          into: UnsafeMutableBufferPointer(rebasing: weights.elements[elements]), parts: parts)
      },
      try sweep("all-gather") { parts in
        try communicator.beginAllGather(
          inPlace: UnsafeMutableBufferPointer(
            rebasing: weights.elements[0..<parts.last!.upperBound]),
          counts: parts.map(\.count))
      },
    ]
  }

  /// What a rank sends at least where each rank needs a part of all others' buffers: (R − 1)/R.
  private func bytesSent(of elements: Int) -> Int {
    elements * (communicator.size - 1) / communicator.size * MemoryLayout<Float>.stride
  }

  private func operation(
    _ name: String, _ bytes: Int, _ exchange: GradientExchange? = nil, _ body: () throws -> Void
  ) throws -> ExchangeReport.Operation {
    let seconds = Statistics(try timer.secondsOfShort("exchange: \(name)", body))
    var betweenNodes: ExchangeTraffic?
    if let exchange, exchange.hierarchy.levels > 1 {
      let before = exchange.traffic.last!
      try body()
      betweenNodes = exchange.traffic.last! - before
    }
    return ExchangeReport.Operation(
      operation: name, bytesSent: bytes, betweenNodes: betweenNodes, seconds: seconds,
      gigabytesPerSecond: 1e-9 * Double(bytes) / seconds.median)
  }

  /// Times an operation on buffers of 4 KiB, 16 KiB, … and the whole one.
  private func sweep(
    _ name: String, _ begin: (_ parts: [Range<Int>]) throws -> Request
  ) throws -> ExchangeReport.Sweep {
    var lengths = Array(sequence(first: 1024) { 4 * $0 }.prefix { $0 < count })
    lengths.append(count)
    let ranks = communicator.size
    let points = try lengths.map { length in
      let part = length / ranks
      let parts = (0..<ranks).map { part * $0..<part * ($0 + 1) }
      let seconds = try timer.secondsOfShort("exchange: \(name) of \(4 * length) bytes") {
        try begin(parts).wait()
      }
      return MessageCost.Point(
        bytes: bytesSent(of: part * ranks), seconds: Statistics(seconds).median)
    }
    return ExchangeReport.Sweep(
      operation: name, points: points, cost: MessageCost(fitting: points))
  }
}
