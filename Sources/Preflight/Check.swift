// What is checked before a run, one after the other.

import Benchmark
import Storage

/// One thing that is checked, on facts that have been gathered: it measures nothing itself.
///
/// Each is a value of its own in `Checks`.
public struct Check: Sendable {
  /// Its name, in the table.
  public let name: String
  /// Judges the facts; nil where those that it needs are not there, because an earlier check has ended the
  /// search for them.
  package let judge: @Sendable (JobFacts) -> Finding?

  init(_ name: String, judge: @escaping @Sendable (JobFacts) -> Finding?) {
    (self.name, self.judge) = (name, judge)
  }

  /// Every check, in the order of the table; the first that finds that a run cannot work decides the exit
  /// code.
  public static let all: [Check] = [
    .command, .program, .libraries, .processors, .cores, .run, .data, .transport, .exchange,
    .memory, .limits, .folder, .disk, .steps,
  ]
}

/// Everything that the checks judge.
package struct JobFacts: Sendable {
  /// What each rank knows, in their order; at least one.
  package var ranks: [RankFacts]
  /// What became of the request for a run; nil where none was made.
  package var run: RequestOutcome?
  /// The checksum of the images as the first rank of each node has them, by its host; nil where they were not
  /// compared.
  package var images: [HostValue<String>]?
  /// The cost of messages between these ranks; nil where it was not measured, and of one rank.
  package var exchange: LinkCost?
  /// What the run needs; nil where that is not known.
  package var needs: RunNeeds?
  /// What came of a file in the run's folder; nil where none was written.
  package var probe: ProbeResult?
  /// The steps that were made; nil where none were.
  package var steps: MeasuredSteps?

  package init(ranks: [RankFacts]) { self.ranks = ranks }

  /// The first rank of each machine, in their order.
  package var nodes: [RankFacts] { ranks.filter { $0.node == $0.rank } }

  /// The ranks of a machine.
  package func ranks(ofNode node: Int) -> [RankFacts] { ranks.filter { $0.node == node } }

  /// The ranks whose value is another one than the first rank's, told by their hosts; nil where there are none.
  package func others<Value: Equatable>(_ value: (RankFacts) -> Value) -> String? {
    let first = value(ranks[0])
    let others = ranks.filter { value($0) != first }
    return others.isEmpty ? nil : places(of: others)
  }

  /// Ranks by number and host: `rank 1 on host2`.
  package func places(of some: [RankFacts]) -> String {
    let named = some.prefix(4).map { "rank \($0.rank) on \($0.host)" }.joined(separator: ", ")
    return some.count > 4 ? "\(named) and \(some.count - 4) others" : named
  }
}

/// A value, and the machine that it is of.
package struct HostValue<Value: Codable & Equatable & Sendable>: Codable, Equatable, Sendable {
  /// The machine.
  package let host: String
  /// The value.
  package let value: Value

  package init(_ host: String, _ value: Value) { (self.host, self.value) = (host, value) }
}

/// What became of the request for a run.
package enum RequestOutcome: Equatable, Sendable {
  /// It is refused, as `ddpm-dist train` would refuse it.
  case refused(message: String, exitCode: Int32)
  /// It could begin: what it is, in words.
  case possible(String)
}

/// What a run needs of the machines.
package struct RunNeeds: Sendable {
  /// The most memory of the first rank and of another one, bytes.
  package var firstPeakBytes, otherPeakBytes: Int
  /// The bytes of a checkpoint, of all files of the run, and those without which it ends.
  package var checkpointBytes, diskBytes, leastDiskBytes: Int
  /// The number of files.
  package var files: Int
  /// The bytes that the run's folder holds already: they are among `diskBytes`.
  package var presentBytes: Int
  /// What the file system of the folder has left; nil where that is not known.
  package var space: FreeSpace?

  package init(
    firstPeakBytes: Int, otherPeakBytes: Int, checkpointBytes: Int, diskBytes: Int,
    leastDiskBytes: Int, files: Int, presentBytes: Int = 0, space: FreeSpace?
  ) {
    self.firstPeakBytes = firstPeakBytes
    self.otherPeakBytes = otherPeakBytes
    self.checkpointBytes = checkpointBytes
    self.diskBytes = diskBytes
    self.leastDiskBytes = leastDiskBytes
    self.files = files
    self.presentBytes = presentBytes
    self.space = space
  }
}
