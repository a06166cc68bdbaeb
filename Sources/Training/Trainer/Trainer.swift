// Data-parallel training, as an algorithm.

import Foundation
import MPI
import Models
import Parallel
import Storage
import Synchronization
import Tensors

/// Data-parallel training: each rank computes the gradients of its shards, all add them up, each
/// updates its part of the weights, all collect the weights.
///
/// The state is a function of configuration and step alone, not of ranks or workers.
public final class Trainer {
  /// What one step did.
  public struct StepReport: Sendable {
    /// What was made of the step.
    package enum Outcome: Sendable {
      /// The weights are updated.
      case updated
      /// The step is done, and the weights are as before.
      case skipped(DivergenceWatch.Evidence)
      /// The run has diverged: the step is not done.
      case diverged(DivergenceWatch.Evidence)
    }

    /// The number of the step, 1 for the first: how many are done, unless it has diverged.
    public let step: Int
    /// What was made of it.
    package let outcome: Outcome
    /// The mean losses of the batch, before the step.
    public let losses: LossReport
    /// The norm of the batch's gradient, before clipping.
    public let gradientNorm: Double
    /// Adam's learning rate at this step.
    public let learningRate: Double
    /// The norm of each tensor's gradient, before clipping, by its name; nil where it was not measured.
    package internal(set) var gradientNorms: [String: Double]?
    /// What each rank did.
    package let times: [StepTimes]

    package init(
      step: Int, outcome: Outcome = .updated, losses: LossReport, gradientNorm: Double,
      learningRate: Double, times: [StepTimes] = [StepTimes()]
    ) {
      self.times = times
      self.step = step
      self.outcome = outcome
      self.losses = losses
      self.gradientNorm = gradientNorm
      self.learningRate = learningRate
    }
  }

  /// The configuration with everything that was `auto` filled in.
  public let plan: TrainingPlan
  /// The number of steps done.
  public internal(set) var step = 0
  /// The mean loss of the last step that was not skipped.
  public internal(set) var loss = Double.nan
  /// What has been seen of the losses.
  package internal(set) var watch = DivergenceWatch()
  /// The steps that were taken back.
  package internal(set) var rollbacks: [Rollback] = []
  /// What is trained, with the state that it keeps beside its weights.
  package internal(set) var objective: any Objective
  /// The weights, all of them on every rank.
  package let weights: AlignedFloats
  /// The weights before the first step; nil where they are drawn from the seed.
  private let initialWeights: [Float]?
  /// The moments and the averages, of this rank's part of the weights.
  package let adam: Adam
  package let exchange: GradientExchange
  private let workers: Workers
  private let images: ShardImages
  private let shardSum: TreeSum
  /// The transformed kernels of this step's weights, for all of its shards; nil: each transforms its own.
  private let preparedKernels: PreparedKernels?
  /// How long this rank worked for a shard at the last step, in seconds, without waiting for others.
  package private(set) var secondsPerShard = 0.0
  private let profile: OperationProfile?
  /// What this rank did at this step, and has waited for at the one before.
  private var times = StepTimes()
  /// The multiplications and additions of a step of all ranks, 1e9 of them; nil before the first.
  package private(set) var gigaflops: Double?

  /// A trainer before its first step; collective.
  ///
  /// - Parameters:
  ///   - plan: The same on all ranks.
  ///   - communicator: The ranks.
  ///   - workers: The threads of this rank.
  ///   - initialWeights: The weights before the first step, the same on all ranks; nil: those that the
  ///     model draws from the seed.
  ///   - profile: Where the time of each kind of work is noted; nil: nowhere.
  /// - Throws: `StorageError` where the dataset cannot be read, `MPIError`.
  public init(
    plan: TrainingPlan, communicator: Communicator, workers: Workers,
    initialWeights: [Float]? = nil, profile: OperationProfile? = nil
  ) throws {
    self.initialWeights = initialWeights
    self.plan = plan
    self.workers = workers
    self.profile = profile
    objective = plan.objective
    weights = initialWeights.map(AlignedFloats.init) ?? plan.drawnWeights(workers)
    exchange = GradientExchange(
      try RankHierarchy(nodesOf: communicator), count: weights.count,
      reduction: plan.configuration.training.reduction)
    adam = Adam(
      settings: plan.configuration.optimizer.adam, weights: weights,
      partition: exchange.partition, rank: exchange.owner,
      decaying: objective.parameters.decaying)
    images = try ShardImages(plan, rank: communicator.rank, ranks: communicator.size)
    shardSum = TreeSum(
      leaves: images.shards.count, count: weights.count, workers: workers.count,
      segmentLength: exchange.partition.bucketLength,
      givesPagesBack: plan.configuration.training.memory == .less)
    preparedKernels =
      plan.sharesKernels(shards: images.shards.count, workers: workers.count)
      ? PreparedKernels() : nil
  }

  /// One training step; collective.
  ///
  /// What to do with a suspicious step is decided by `on_divergence`, before the update, from
  /// numbers that all ranks share.
  ///
  /// - Parameter record: Called on all ranks with what speaks against a step that is left out, while
  ///   everything is as it was before the step.
  /// - Throws: `StorageError` for images that cannot be read, `MPIError`, and what `record` throws.
  package func trainStep(
    beforeLeavingOut record: (DivergenceWatch.Evidence) throws -> Void = { _ in }
  ) throws -> StepReport {
    let mean = 1 / Double(plan.tree.shards)
    let (gradient, sums, ranks) = try sumOfShards()
    let rankTimes = ranks.map { StepTimes($0) }
    let norm = try exchange.squaredNorm().squareRoot() * mean
    let losses = LossReport(sums, mean: mean, of: objective)
    let gradientNorms = try gradientNorms(gradient, mean: mean)
    let settings = plan.configuration.optimizer
    let rate = settings.learningRate(atStep: step)
    var outcome = StepReport.Outcome.updated

    var watch = watch
    let verdict = watch.note(step: step + 1, loss: losses.total, norm: norm)
    switch plan.configuration.training.onDivergence.action(for: verdict) {
    case .diverge(let evidence):
      try record(evidence)
      return StepReport(
        step: step + 1, outcome: .diverged(evidence), losses: losses, gradientNorm: norm,
        learningRate: rate, times: rankTimes)
    case .skip(let evidence):
      try record(evidence)
      outcome = .skipped(evidence)
      adam.skipStep(weights)
    case .update:
      let clip = Adam.clipFactor(norm: norm, limit: settings.clipNorm)
      let began = ContinuousClock.now
      try adam.update(
        weights, by: gradient, learningRate: rate, scale: mean * clip, over: exchange, workers,
        profile: profile)
      times.update = Self.seconds(since: began)
      // Validation and grids find the memory of the gradient free.
      shardSum.restart()
      objective.absorb(LossReport.sums(sums, of: objective))
      loss = losses.total
    }
    self.watch = watch
    step += 1
    var report = StepReport(
      step: step, outcome: outcome, losses: losses, gradientNorm: norm, learningRate: rate,
      times: rankTimes)
    report.gradientNorms = gradientNorms
    return report
  }

  /// The norm of each tensor's gradient, if it is time for it; collective.
  private func gradientNorms(_ gradient: AlignedFloats, mean: Double) throws -> [String: Double]? {
    let period = plan.configuration.recording.gradientNormsEvery
    guard period > 0, (step + 1) % period == 0 else { return nil }
    let tensors = objective.parameters.layout.entries
    let norms = try exchange.norms(of: tensors.map(\.range), in: gradient)
    return Dictionary(uniqueKeysWithValues: zip(tensors.map(\.name), norms.map { $0 * mean }))
  }

  private static func seconds(since start: ContinuousClock.Instant) -> Double {
    (ContinuousClock.now - start) / .seconds(1)
  }

  /// The weights before the first step.
  var firstWeights: [Float] {
    initialWeights ?? plan.objective.parameters.initialWeights(seed: plan.seed)
  }

  /// The number of times that each shard of the batch has gone through its images.
  public var epochs: [Int] {
    (0..<plan.tree.shards).map { plan.order(ofShard: $0).epochs(afterSteps: step) }
  }

  /// The sum of the gradients over all ranks' shards, in the parts that this rank owns, and the sum
  /// of their losses, in the tree's order.
  ///
  /// What backward has finished of the gradient is exchanged while the rest is computed.
  private func sumOfShards() throws -> (
    gradient: AlignedFloats, losses: [Double], ranks: [[Double]]
  ) {
    shardSum.restart()
    if let preparedKernels {
      let weights = weights
      workers.forEach(0..<preparedKernels.count) { kernels, _ in
        weights.withElements { preparedKernels.renew(kernels, of: $0.baseAddress!) }
      }
    }
    // The first step counts its arithmetic: the others have as much.
    let counts = gigaflops == nil
    let profile = profile ?? (counts ? OperationProfile() : nil)
    if counts { profile?.reset() }
    let work = ShardGradient(
      objective, flips: plan.configuration.data.flip, seed: plan.seed, shards: plan.tree.shards,
      memory: plan.configuration.training.memory,
      precision: plan.configuration.training.precision, profile: profile,
      preparedKernels: preparedKernels)
    let failure = Mutex<StorageError?>(nil)
    let (step, images, sum, weights) = (step, images, shardSum, weights)
    let reading = Atomic(0)
    // Only the calling thread, which is the session's, touches it.
    nonisolated(unsafe) let overlapped = OverlappedExchange(exchange, shardSum, profile)
    let began = ContinuousClock.now
    workers.run(
      { pool, isCaller in
        while let shard = sum.claim() {
          do throws(StorageError) {
            let began = ContinuousClock.now
            let batch = try profile.measure(.batch) { () throws(StorageError) in
              try images.batch(ofShard: shard.leaf, step: step, pool)
            }
            let read = (ContinuousClock.now - began) / .nanoseconds(1)
            reading.add(Int(read), ordering: .relaxed)
            let losses = work.compute(
              into: shard.buffer.elements.baseAddress!, batch, step: step,
              shard: images.shards.lowerBound + shard.leaf,
              weights: weights.elements.baseAddress!, pool: pool
            ) { offset in
              profile.measure(.shardSum) { sum.advance(shard, downTo: offset) }
              if isCaller { overlapped.advance() }
            }
            sum.deposit(shard, values: LossReport.vector(losses))
          } catch {
            failure.withLock { $0 = $0 ?? error }
            sum.abandon()
          }
        }
      }, meanwhile: { overlapped.advance() })
    let elapsed = Self.seconds(since: began)
    secondsPerShard = elapsed / Double(images.shards.count)
    times.read = Double(reading.load(ordering: .relaxed)) * 1e-9 / Double(workers.count)
    times.compute = elapsed - times.read
    if counts, let profile {
      let multiplyAdds = profile.work.values.reduce(0) { $0 + $1.multiplyAdds }
      // Of each multiply-add forward there are two backward.
      gigaflops =
        6e-9 * Double(multiplyAdds) / Double(images.shards.count) * Double(plan.tree.shards)
    }
    if let failure = failure.withLock({ $0 }) {
      overlapped.abandon()
      throw failure
    }
    let finished = ContinuousClock.now
    defer { times.wait = Self.seconds(since: finished) }
    return try overlapped.complete(telling: times.vector)
  }
}
