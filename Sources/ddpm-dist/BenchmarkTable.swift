// The report of a benchmark as a text for people.

import Benchmark
import Foundation
import Training

/// The report of a benchmark as a text for people.
extension BenchmarkReport {
  /// The machine, the run, and a table for each part.
  var table: String {
    var lines = nodes.map { "\($0)  (\(cpu), \(cores) CPUs)" }
    lines.append("\(program) \(version), \(blas), \(mpi.prefix { $0 != "," })")
    let counted = rounds == 1 ? "1 round" : "\(rounds) rounds"
    lines.append(
      "\(parameters) parameters, batch \(batch), \(dataset); \(counted) of \(stepsPerRound) after "
        + "one that warms up")
    if let step = parts.step {
      lines += ["", "TRAINING STEP: \(step.summary)"] + step.lines(of: "steps")
    }
    if let evaluation = parts.evaluation {
      lines += ["", "EVALUATION: \(evaluation.summary)"] + evaluation.lines(of: "evaluations")
    }
    if let exchange = parts.exchange { lines += [""] + exchange.lines }
    if let reading = parts.reading { lines += [""] + reading.lines }
    return lines.joined(separator: "\n") + "\n"
  }
}

extension NetworkReport {
  fileprivate var summary: String {
    "\(images) images of \(number(gigaflopPerImage)) GFLOP, \(number(gigaflopPerSecond)) GFLOP/s"
  }

  fileprivate func lines(of rounds: String) -> [String] {
    let speed = columns(
      [["", "minimum", "median", "maximum"]]
        + [("seconds", seconds), ("images/s", imagesPerSecond)].map { name, values in
          [name] + [values.minimum, values.median, values.maximum].map(number)
        })
    let grown =
      poolGrowthBytes == 0
      ? "did not grow after the warm-up" : "grew by \(bytes(poolGrowthBytes)) after the warm-up"
    let memory =
      "  peak memory of a rank so far \(bytes(peakMemoryBytes)); its buffers, "
      + "\(bytes(poolBytes)), \(grown)"
    var rows = [
      ["operation", "share", "forward s", "backward s", "forward GFLOP/s", "backward GFLOP/s"]
    ]
    for operation in operations {
      rows.append(
        [
          operation.operation, percent(operation.share), number(operation.forwardSeconds),
          number(operation.backwardSeconds),
        ]
          + [operation.forwardGigaflopPerSecond, operation.backwardGigaflopPerSecond]
          .map { $0.map(number) ?? "" })
    }
    rows.append(["waiting and other", percent(otherShare), "", "", "", ""])
    let operationLines = columns(rows)
    return speed + [memory, "  seconds of all workers in all \(rounds), GFLOP/s of one worker:"]
      + operationLines
  }
}

extension ExchangeReport {
  fileprivate var lines: [String] {
    let title = "EXCHANGE of a buffer of \(bytes(bufferBytes))"
    guard !operations.isEmpty else { return ["\(title): one rank has nothing to exchange"] }
    let rows = operations.map { operation in
      [operation.operation, bytes(operation.bytesSent)]
        + [operation.seconds.minimum, operation.seconds.median, operation.seconds.maximum].map {
          number($0 * 1e3)
        } + [number(operation.gigabytesPerSecond)]
    }
    let costs = sweeps.map { sweep in
      [sweep.operation, "\(sweep.points.count)"]
        + (sweep.cost.map {
          [number($0.alpha * 1e6), number(1e-9 / $0.beta), percent($0.relativeError)]
        } ?? ["", "", ""])
    }
    let between = operations.compactMap { operation in
      operation.betweenNodes.map {
        "  \(operation.operation): the first rank sends \(bytes($0.bytes)) in \($0.messages) messages to "
          + "other nodes"
      }
    }
    return [title]
      + columns(
        [["operation", "sent by a rank", "minimum ms", "median ms", "maximum ms", "GB/s"]] + rows)
      + between
      + ["  time = alpha + beta x bytes sent by a rank, fitted to messages of growing size:"]
      + columns([["operation", "sizes", "alpha us", "1/beta GB/s", "error"]] + costs)
  }
}

extension ReadingReport {
  fileprivate var lines: [String] {
    ["READING of images of \(imageBytes) bytes"]
      + columns(
        [["from", "images", "images/s minimum", "median", "maximum", "MB/s"]]
          + sources.map { source in
            let speed = source.imagesPerSecond
            return [source.source, "\(source.images)"]
              + [speed.minimum, speed.median, speed.maximum, source.megabytesPerSecond].map(number)
          })
  }
}

/// Rows as aligned columns: the first to the left, numbers to the right.
private func columns(_ rows: [[String]]) -> [String] {
  let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max()! }
  return rows.map { row in
    let cells = row.enumerated().map { column, cell in
      let space = String(repeating: " ", count: widths[column] - cell.count)
      return column == 0 ? cell + space : space + cell
    }
    let line = "  " + cells.joined(separator: "  ")
    return String(line.reversed().drop { $0 == " " }.reversed())
  }
}

private func percent(_ share: Double) -> String { String(format: "%.1f %%", 100 * share) }

private func bytes(_ count: Int) -> String {
  count < 10_000_000 ? "\(number(Double(count) * 1e-3)) kB" : "\(number(Double(count) * 1e-6)) MB"
}
