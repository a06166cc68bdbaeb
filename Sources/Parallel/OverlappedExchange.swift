// What hides the exchange behind the computation.

import MPI
import Tensors

extension OperationProfile.Kind {
  /// Sending, receiving and adding gradients between ranks; not the gather of the weights, whose
  /// time beside the optimizer's shows as waiting.
  public static let exchange = Self("exchange")
}

/// The exchange of a gradient between ranks while the workers still compute its head.
///
/// One instance serves one step. Workers pass finished segments to the `TreeSum`; the thread that
/// speaks MPI looks now and then what of the sum is final, posts it, and pushes on what is in
/// flight, since MPI libraries advance only when called.
package final class OverlappedExchange {
  private let exchange: GradientExchange
  private let sum: TreeSum
  private let profile: OperationProfile?
  /// The gradient is posted from this element to its end.
  private var begun: Int
  private var hasStarted = false
  private var failure: MPIError?

  /// The exchange of a sum that has not begun.
  ///
  /// - Parameter profile: Where the time of the exchange is noted, without that of waiting for this
  ///   rank's own workers; nil: nowhere.
  package init(_ exchange: GradientExchange, _ sum: TreeSum, _ profile: OperationProfile?) {
    self.exchange = exchange
    self.sum = sum
    self.profile = profile
    begun = sum.count
  }

  /// Posts what is final, and pushes on what is in flight; on the session's thread.
  ///
  /// An error is kept for `complete`: the caller is in the middle of its work.
  package func advance() {
    guard failure == nil else { return }
    let found = begun > 0 ? sum.finished() : nil
    do {
      try profile.measure(.exchange) { () throws(MPIError) in
        if let (gradient, offset) = found, offset < begun {
          if !hasStarted { exchange.start(gradient) }
          hasStarted = true
          begun = offset
          try exchange.begin(downTo: offset)
        }
        if hasStarted { try exchange.progress() }
      }
    } catch {
      failure = error
    }
  }

  /// Leaves the exchange as it is, after an error.
  package func abandon() { exchange.abandon() }

  /// Waits until all of the rank's shards are added, posts the rest, and waits for the sum over all
  /// ranks.
  ///
  /// - Parameter own: Numbers of this rank that all are told; equally many on all ranks.
  /// - Returns: The gradient, summed in the parts that this rank owns, the sum of the losses of all ranks'
  ///   shards, and the numbers of each rank.
  /// - Throws: `MPIError.call`.
  package func complete(
    telling own: [Double] = []
  ) throws(MPIError) -> (gradient: AlignedFloats, losses: [Double], ranks: [[Double]]) {
    let (gradient, losses) = sum.result()
    advance()
    if let failure {
      abandon()
      throw failure
    }
    do {
      return try profile.measure(.exchange) { () throws(MPIError) in
        try exchange.finish()
        let (sum, ranks) = try exchange.sum(losses, beside: own)
        return (gradient, sum, ranks)
      }
    } catch {
      abandon()
      throw error
    }
  }
}
