// A profile of training by kind of operation.

import Synchronization

/// Where the time of training goes: seconds of work by kind, added up over all workers of a rank.
///
/// Whoever measures hands one to the trainer or to a pass; without one nothing is timed.
public final class OperationProfile: Sendable {
  /// A kind of work.
  public enum Kind: String, CaseIterable, Sendable {
    /// 3×3 convolutions at stride 1, those of the image's few channels included.
    case convolution3x3 = "convolution 3x3"
    /// 3×3 convolutions at stride 2.
    case downsampling
    /// 1×1 convolutions, linear layers among them.
    case linear
    /// Group normalisation with the activation and the dropout behind it.
    case normalization
    /// softmax(q kᵀ/√d) v.
    case attention
    /// Sums, copies and upsampling of maps.
    case elementwise
    /// Images, timesteps, noise, and the loss.
    case batch = "images and noise"
    /// The sum of the shards' gradients within the rank.
    case shardSum = "sum of shards"
    /// Sending, receiving and adding gradients between ranks; not the gather of the weights, whose
    /// time beside the optimizer's shows as waiting.
    case exchange
    /// Clipping, Adam, and the moving average.
    case optimizer
  }

  /// Seconds of one kind of work.
  public struct Seconds: Equatable, Sendable {
    /// In the forward pass, and of work that has no direction.
    public var forward = 0.0
    /// In the backward pass.
    public var backward = 0.0
  }

  private let times = Mutex([Kind: Seconds]())

  /// A profile without any time.
  public init() {}

  /// The seconds so far, of the kinds that took any.
  public var seconds: [Kind: Seconds] { times.withLock { $0 } }

  /// Forgets the seconds so far.
  public func reset() { times.withLock { $0 = [:] } }

  /// Runs some work and adds the time it takes.
  ///
  /// - Parameter pool: That of the thread that works: the time of others that help it is added too.
  public func measure<Result, Failure: Error>(
    _ kind: Kind, backward: Bool = false, _ pool: BufferPool? = nil,
    _ work: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let (start, helpedBefore) = (ContinuousClock.now, pool?.helped ?? .zero)
    defer {
      let helped = (pool?.helped ?? .zero) - helpedBefore
      let elapsed = (ContinuousClock.now - start + helped) / .seconds(1)
      times.withLock {
        let part = backward ? \Seconds.backward : \Seconds.forward
        $0[kind, default: Seconds()][keyPath: part] += elapsed
      }
    }
    return try work()
  }
}

extension Optional where Wrapped == OperationProfile {
  /// Runs some work, timed where there is a profile.
  public func measure<Result, Failure: Error>(
    _ kind: OperationProfile.Kind, backward: Bool = false, _ pool: BufferPool? = nil,
    _ work: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    guard let self else { return try work() }
    return try self.measure(kind, backward: backward, pool, work)
  }
}
