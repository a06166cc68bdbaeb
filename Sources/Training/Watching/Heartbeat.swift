// What a rank is doing, told once a second to whoever watches.

import Foundation
import MPI
import Synchronization

/// What a rank is at.
package enum RunPhase: Int, CaseIterable, Sendable {
  case beginning, training, validating, saving, drawing, ending

  /// As in a sentence: "while it was training".
  var name: String { "\(self)" }
}

/// What the thread of a rank that does the work has noted, for the thread that watches.
final class Heartbeat: Sendable {
  private let phase = Atomic<Int>(RunPhase.beginning.rawValue)
  private let step = Atomic<Int>(0)
  private let notes = Atomic<Int>(0)
  /// Seconds of work for a shard, as the bits of a Double; those of the last steps.
  private let secondsPerShard = Atomic<UInt64>(0)

  /// Notes what the rank is at.
  func note(_ phase: RunPhase, step: Int) {
    self.phase.store(phase.rawValue, ordering: .relaxed)
    self.step.store(step, ordering: .relaxed)
    notes.add(1, ordering: .relaxed)
  }

  /// Notes how long the rank's own work takes.
  func note(secondsPerShard: Double) {
    self.secondsPerShard.store(secondsPerShard.bitPattern, ordering: .relaxed)
  }

  /// What is to be told now.
  func pulse(rank: Int) -> Pulse {
    Pulse(
      rank: rank, phase: phase.load(ordering: .relaxed), step: step.load(ordering: .relaxed),
      signs: notes.load(ordering: .relaxed) &+ MPIActivity.count,
      waits: MPIActivity.function != nil,
      effort: Self.effort,
      secondsPerShard: Double(bitPattern: secondsPerShard.load(ordering: .relaxed)))
  }

  /// The time that the processors have worked for this process, in seconds, and a second for each block
  /// that was read or written.
  private static var effort: Double {
    var usage = rusage()
    // int getrusage(int who, struct rusage *usage)
    getrusage(RUSAGE_SELF.rawValue, &usage)
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
      + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
      + Double(usage.ru_inblock + usage.ru_oublock)
  }
}

/// What one rank tells: a message of fixed size.
package struct Pulse: Equatable {
  /// Who.
  package var rank: Int
  /// The number of the phase.
  package var phase: Int
  /// The number of steps done.
  package var step: Int
  /// A number that changes where the rank gets on.
  package var signs: Int
  /// Whether it is in a function of MPI, and so may be waiting for others.
  package var waits: Bool
  /// The time that processors have worked for it, in seconds, and as much for blocks of files.
  package var effort: Double
  /// How long it works for a shard; 0: not known yet.
  package var secondsPerShard: Double

  /// The length of a message.
  package static let length = 7 * 8

  /// A pulse.
  package init(
    rank: Int, phase: Int, step: Int, signs: Int, waits: Bool, effort: Double,
    secondsPerShard: Double
  ) {
    (self.rank, self.phase, self.step, self.signs) = (rank, phase, step, signs)
    (self.waits, self.effort, self.secondsPerShard) = (waits, effort, secondsPerShard)
  }

  /// As bytes.
  package var bytes: [UInt8] {
    let words: [UInt64] = [
      UInt64(rank), UInt64(phase), UInt64(step), UInt64(bitPattern: Int64(signs)), waits ? 1 : 0,
      effort.bitPattern, secondsPerShard.bitPattern,
    ]
    return words.flatMap { word in withUnsafeBytes(of: word.littleEndian) { Array($0) } }
  }
}

extension Pulse {
  /// Out of bytes; nil where they are no pulse of one of so many ranks.
  package init?(_ bytes: ArraySlice<UInt8>, ranks: Int) {
    guard bytes.count == Self.length else { return nil }
    let words = (0..<7).map { word in
      (0..<8).reversed().reduce(UInt64(0)) {
        $0 << 8 | UInt64(bytes[bytes.startIndex + 8 * word + $1])
      }
    }
    guard words[0] < UInt64(ranks), words[1] < UInt64(RunPhase.allCases.count),
      words[2] <= UInt64(Int32.max), words[4] <= 1
    else { return nil }
    self.init(
      rank: Int(words[0]), phase: Int(words[1]), step: Int(words[2]),
      signs: Int(Int64(bitPattern: words[3])), waits: words[4] == 1,
      effort: Double(bitPattern: words[5]), secondsPerShard: Double(bitPattern: words[6]))
  }
}
