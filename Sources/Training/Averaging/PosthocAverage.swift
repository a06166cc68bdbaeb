// A power average of any length, after the training, from those that the run has kept.

import Foundation
import MPI
import Models
import Parallel
import Storage
import Tensors

/// A power average of any length, made of those that a run has kept in snapshots and checkpoints
/// (Karras et al. 2024, section 3.2).
public struct PosthocAverage {
  /// The checkpoint with the average in place of its own.
  public let checkpoint: Checkpoint
  /// The file that the rest of the checkpoint is from.
  public let source: String
  /// The number of finished steps that the average is for.
  public let step: Int
  /// The number of averages that it is made of.
  public let count: Int
  /// How far the profile of the sum is from that of the average, as a part of the latter.
  public let residual: Double

  /// One average in a file.
  private struct Kept {
    let profile: PowerProfile
    let path: String
  }

  /// Finds the weighted sum of kept averages that is nearest to the one that is asked for.
  ///
  /// It is the average at the last step up to `limit` of which the run has kept any.
  ///
  /// - Parameters:
  ///   - run: The run's folder.
  ///   - length: The relative standard deviation, one of `PowerAverage.lengths`.
  ///   - limit: The last step that is looked at; nil: that of the newest good checkpoint.
  ///   - report: Told of damaged files that were passed over.
  /// - Throws: `StorageError`, and `Failure` where the averages cannot be told apart.
  public init(
    run: RunFolder, length: Double, upTo limit: Int?, report: (StorageError) -> Void
  ) throws {
    guard run.exists else {
      throw StorageError.missingInput(
        path: run.path, reason: "there is no run folder of this name")
    }
    let latest = try run.checkpoints.latestGood(upTo: limit ?? .max, sections: .all)
    for skipped in latest.skipped { report(skipped) }
    guard let source = latest.path else {
      throw StorageError.missingInput(
        path: run.path,
        reason: limit.map { "there is no good checkpoint up to step \($0)" }
          ?? "there is no good checkpoint in this run")
    }
    var checkpoint = try Checkpoint.read(path: source)
    let limit = limit ?? checkpoint.progress.step
    let damaged = Set(latest.skipped.map(\.path))
    let kept = try Self.kept(in: run, upTo: limit, except: damaged, checkpoint, report)
    guard let last = kept.map(\.profile.step).max() else {
      throw StorageError.missingInput(
        path: run.path,
        reason: "has no power averages up to step \(limit); train with average_lengths, and "
          + "average_every for more of them")
    }
    let target = PowerProfile(PowerAverage(length: length), step: last)
    guard let combination = target.combination(of: kept.map(\.profile)) else {
      throw Failure(
        "\(run.path): its \(kept.count) averages are too much alike to be combined; "
          + "choose another --step.", exitCode: ExitCode.badData)
    }
    checkpoint.ema = try Self.sum(
      zip(kept, combination.weights).map { ($0, $1) }, count: checkpoint.layout.count)
    // What was measured with the old average holds no more.
    let measured = DenoisingDiffusion.noiseNormTable(weights: WeightKind.ema.rawValue)
    checkpoint.facts = checkpoint.facts.map { facts in
      ModelFacts(
        name: facts.name, texts: facts.texts, tables: facts.tables.filter { $0.key != measured })
    }
    checkpoint.provenance["average"] =
      "power average of length \(length) at step \(last), of \(kept.count) kept ones, with a "
      + "residual of \(combination.residual)"
    (self.checkpoint, self.source, step) = (checkpoint, source, last)
    (count, residual) = (kept.count, combination.residual)
  }

  /// The different averages in the good snapshots and checkpoints of a run up to a step.
  ///
  /// - Throws: `StorageError.badData` for one of another architecture than the checkpoint.
  private static func kept(
    in run: RunFolder, upTo limit: Int, except damaged: Set<String>, _ checkpoint: Checkpoint,
    _ report: (StorageError) -> Void
  ) throws(StorageError) -> [Kept] {
    var kept: [Kept] = []
    var found: Set<PowerProfile> = []
    for folder in [run.averages, run.checkpoints]
    where FileManager.default.fileExists(atPath: folder.path) {
      let paths = try folder.steps().filter { $0 <= limit }.map { folder.path(step: $0) }
      for path in paths where !damaged.contains(path) {
        let snapshot: AverageSnapshot
        do throws(StorageError) {
          snapshot = try AverageSnapshot.read(path: path, values: false)
        } catch {
          report(error)
          continue
        }
        guard snapshot.seed ?? checkpoint.progress.seed == checkpoint.progress.seed else {
          report(
            .badData(
              path: path,
              reason: "is of another run, with the seed \(snapshot.seed ?? 0) and not "
                + "\(checkpoint.progress.seed)"))
          continue
        }
        for length in snapshot.averages.keys.sorted() {
          guard PowerAverage.lengths.contains(length), snapshot.step >= 1 else { continue }
          try snapshot.layout.require(of: checkpoint, path: path)
          let profile = PowerProfile(PowerAverage(length: length), step: snapshot.step)
          if found.insert(profile).inserted { kept.append(Kept(profile: profile, path: path)) }
        }
      }
    }
    return kept
  }

  /// The weighted sum, added in double precision, file by file.
  private static func sum(
    _ terms: [(kept: Kept, weight: Double)], count: Int
  ) throws(StorageError) -> [Float] {
    var sum = [Double](repeating: 0, count: count)
    var open: (path: String, snapshot: AverageSnapshot)?
    for (kept, weight) in terms {
      if open?.path != kept.path {
        open = (kept.path, try AverageSnapshot.read(path: kept.path))
      }
      guard let values = open?.snapshot.averages[kept.profile.average.length],
        values.count == count
      else {
        throw .badData(path: kept.path, reason: "was changed while it was read")
      }
      for i in sum.indices { sum[i] += weight * Double(values[i]) }
    }
    return sum.map { Float($0) }
  }
}
