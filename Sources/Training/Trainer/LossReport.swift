// The numbers of a batch's loss, between shards that add them and metrics that name them.

import Models

/// The terms and sums of a whole batch.
public struct LossReport: Equatable, Sendable {
  /// Each term, a mean over the batch, by its name.
  public let terms: [String: Double]
  /// Each vector of sums over the batch that the metrics show, and what follows from them, by its name.
  public let sums: [String: [Double]]
  /// The sum of the terms, in their order.
  public let total: Double

  /// The numbers of one shard in one vector: so all of them are added in the same tree.
  static func vector(_ losses: Losses) -> [Double] { losses.terms + losses.sums.joined() }

  /// The names and means of an objective's numbers.
  ///
  /// - Parameters:
  ///   - vector: The sum of the shards' vectors.
  ///   - mean: 1 over the number of shards.
  package init(_ vector: [Double], mean: Double, of objective: any Objective) {
    let values = vector.prefix(objective.terms.count).map { $0 * mean }
    terms = Dictionary(uniqueKeysWithValues: zip(objective.terms, values))
    total = values.reduce(0, +)
    let sums = Self.sums(vector, of: objective)
    let logged = zip(objective.sums, sums).filter(\.0.isLogged).map { ($0.name, $1) }
    self.sums = Dictionary(uniqueKeysWithValues: logged)
      .merging(objective.figures(sums)) { $1 }
  }

  /// The objective's vectors of sums.
  static func sums(_ vector: [Double], of objective: any Objective) -> [[Double]] {
    var rest = vector.dropFirst(objective.terms.count)
    return objective.sums.map { sum in
      defer { rest = rest.dropFirst(sum.count) }
      return Array(rest.prefix(sum.count))
    }
  }
}
