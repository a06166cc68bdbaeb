// Ranks that are slower than the others, and hold all of them up.

/// Finds ranks whose own work takes much longer than that of the others, for long.
package struct StragglerWatch {
  /// How many times as long as the others' median is slow. Ranks with equal cores differ by some
  /// percent; a core that is shared with another process takes twice as long.
  package static let factor = 1.5
  /// How many looks in a row must find it slow.
  package static let looks = 3

  private var rows: [Int: Int] = [:]
  private var told: Set<Int> = []

  /// A watch that has seen nothing.
  package init() {}

  /// Takes a look.
  ///
  /// - Parameter seconds: How long each rank works for a shard, by rank; of those that are known.
  /// - Returns: The ranks that are found to be slow now, with their slowness; each once.
  package mutating func look(_ seconds: [Int: Double]) -> [(rank: Int, factor: Double)] {
    var found: [(rank: Int, factor: Double)] = []
    for (rank, own) in seconds.sorted(by: { $0.key < $1.key }) {
      let others = seconds.filter { $0.key != rank }.map(\.value).sorted()
      guard !others.isEmpty, others[others.count / 2] > 0 else { continue }
      let factor = own / others[others.count / 2]
      guard factor >= Self.factor else {
        rows[rank] = 0
        told.remove(rank)
        continue
      }
      rows[rank, default: 0] += 1
      if rows[rank]! >= Self.looks, told.insert(rank).inserted { found.append((rank, factor)) }
    }
    return found
  }
}
