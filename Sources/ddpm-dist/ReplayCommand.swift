// ddpm-dist replay: one step of a run computed again, to see what went wrong.

import ArgumentParser
import Foundation
import MPI
import Parallel
import Storage
import Training

/// `ddpm-dist replay`.
struct ReplayCommand: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "replay",
    abstract: "Compute the step that follows a checkpoint again, and change nothing.",
    discussion: """
      Where a step diverges, the run writes the state before it to diverged/. This tells which shard \
      it was, and with --shard which images, timesteps and tensors: the same bits as in the run, on \
      one rank.
      """)

  @Argument(help: "A checkpoint, such as runs/digits/diverged/step-00000700.h5.", completion: .hdf5)
  var checkpoint: String
  @Option(
    help: "The number of a shard, 0 for the first: its images and tensors. (default: all, in short)"
  )
  var shard: Int?
  @Option(help: "The dataset. (default: where the checkpoint says that it was)", completion: .hdf5)
  var data: String?
  @Option(help: "Worker threads. (default: the cores that the process may use)")
  var workers: Int?

  func validate() throws {
    if let workers, !(1...Workers.largestCount).contains(workers) {
      throw ValidationError("--workers needs a number from 1 to \(Workers.largestCount).")
    }
  }

  func run(_ job: Job) throws {
    let workers = try job.workers(requested: workers)
    try job.onFirstRank {
      let replay = try Replay(path: checkpoint, data: data)
      guard let shard else {
        let shards = try replay.compute(0..<replay.shardCount, workers)
        try StandardStreams.print("step \(replay.step), loss \(replay.losses(of: shards).total)\n")
        let rows = shards.map {
          [
            "\($0.number)", text($0.losses.total), text($0.norm), "\($0.images.count)",
            $0.losses.total.isFinite && $0.norm.isFinite ? "finite" : "not finite",
          ]
        }
        return try printColumns([["shard", "loss", "gradient norm", "images", "state"]] + rows)
      }
      guard 0..<replay.shardCount ~= shard else {
        throw Failure(
          "--shard needs a number from 0 to \(replay.shardCount - 1).", exitCode: ExitCode.usage)
      }
      let result = try replay.compute(shard..<shard + 1, workers)[0]
      try StandardStreams.print("step \(replay.step), shard \(shard)\n")
      let terms = result.losses.terms.sorted { $0.key < $1.key }.map { [$0.key, text($0.value)] }
      try printColumns([["term", "mean"]] + terms)
      let choices = result.choices.sorted { $0.key < $1.key }
      let images = result.images.indices.map { n in
        ["\(result.images[n])"] + choices.map { "\($0.value[n])" }
      }
      try printColumns([["image"] + choices.map(\.key)] + images)
      let norms = result.norms.map { [$0.tensor, text($0.norm)] }
      try printColumns([["tensor", "gradient norm"]] + norms)
    }
  }

  private func text(_ value: Double) -> String { String(format: "%.6g", value) }
}
