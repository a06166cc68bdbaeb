// Who does not get on, by what the ranks have told.

/// Decides from the ranks' pulses whether the job hangs, and because of whom.
///
/// Time is that of whoever watches, counted while it runs itself: a job that is stopped as a whole, by
/// Ctrl-Z or by a batch system that suspends it, does not hang.
package struct HangJudge {
  /// What is wrong with a rank.
  package enum Fault: Equatable {
    /// Nothing is heard of it: its process is stopped, or its host is gone.
    case silent
    /// It tells that it does nothing: it is not in MPI, on no processor, and reads and writes nothing.
    case idle
  }

  /// The end of the job.
  package enum Verdict: Equatable {
    /// A rank keeps the others waiting.
    case rank(Int, Fault, last: Pulse)
    /// All ranks wait for each other.
    case everyone([Pulse])
  }

  /// What is known of a rank.
  private struct Record {
    var last: Pulse
    /// Seconds since it was heard of.
    var unheard = 0.0
    /// Seconds since it got on.
    var unchanged = 0.0
    /// Its effort when it last got on.
    var effort: Double
  }

  private let ranks: Int
  private let timeout: Double
  private var records: [Int: Record] = [:]

  /// A judge of so many ranks.
  ///
  /// - Parameter timeout: Seconds without any progress.
  package init(ranks: Int, timeout: Double) { (self.ranks, self.timeout) = (ranks, timeout) }

  /// Takes notice of what a rank has told.
  package mutating func note(_ pulse: Pulse) {
    guard var record = records[pulse.rank] else {
      records[pulse.rank] = Record(last: pulse, effort: pulse.effort)
      return
    }
    // Effort that is not that of waiting is a sign of life: long work is no hang.
    let works = !pulse.waits && pulse.effort - record.effort > 0.02 * timeout
    if pulse.signs != record.last.signs || pulse.waits != record.last.waits || works {
      record.unchanged = 0
      record.effort = pulse.effort
    }
    record.unheard = 0
    record.last = pulse
    records[pulse.rank] = record
  }

  /// Lets time pass.
  ///
  /// - Returns: A verdict, where it is time for one. The ranks that are to blame come first: those that
  ///   wait in MPI wait for them.
  package mutating func pass(_ seconds: Double) -> Verdict? {
    for rank in records.keys {
      records[rank]!.unheard += seconds
      records[rank]!.unchanged += seconds
    }
    let sorted = records.sorted { $0.key < $1.key }
    if let (rank, record) = sorted.first(where: { $0.value.unheard >= timeout }) {
      return .rank(rank, .silent, last: record.last)
    }
    if let (rank, record) = sorted.first(where: {
      $0.value.unchanged >= timeout && !$0.value.last.waits
    }) {
      return .rank(rank, .idle, last: record.last)
    }
    // Whoever is silent now will be the one to blame.
    let isStuck = sorted.allSatisfy {
      $0.value.unchanged >= timeout && $0.value.unheard < timeout / 2
    }
    guard sorted.count == ranks, isStuck else { return nil }
    return .everyone(sorted.map(\.value.last))
  }

  /// What the ranks have told last.
  package var pulses: [Pulse] { records.sorted { $0.key < $1.key }.map(\.value.last) }
}
