// One optimizer step over all ranks.

import MPI
import Tensors

extension Adam {
  /// Updates the weights on all ranks: each its parts, by all its workers, which are gathered while
  /// the next bucket is computed; collective.
  ///
  /// - Parameters:
  ///   - weights: The whole parameter buffer.
  ///   - gradient: The whole gradient, summed in the parts that this rank owns.
  ///   - learningRate: η.
  ///   - scale: What the gradient is multiplied by: the mean and the clip factor.
  ///   - exchange: That of the gradient; its partition must be the optimizer's.
  /// - Throws: `MPIError.call`.
  public func update(
    _ weights: AlignedFloats, by gradient: AlignedFloats, learningRate: Double, scale: Double,
    over exchange: GradientExchange, _ workers: Workers, profile: OperationProfile? = nil
  ) throws(MPIError) {
    let step = beginStep(learningRate: learningRate, gradientScale: scale)
    exchange.startGather(weights)
    do {
      for bucket in 0..<step.bucketCount {
        workers.forEach(0..<workers.count) { worker, _ in
          profile.measure(.optimizer) {
            step.apply(
              bucket: bucket, piece: worker, of: workers.count, weights: weights,
              gradient: gradient)
          }
        }
        try exchange.gather(bucket: bucket)
      }
      try exchange.finishGather()
    } catch {
      exchange.abandon()
      throw error
    }
  }
}
