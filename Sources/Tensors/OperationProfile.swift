// Where the time of training goes, and how much arithmetic it does there.

import Synchronization

/// Seconds and multiply-adds by kind of work, added up over all workers of a rank.
///
/// Whoever measures gives one to the trainer or to a pass; without one nothing is timed or counted.
public final class OperationProfile: Sendable {
  /// A kind of work; each is declared beside the code that does it.
  public struct Kind: Hashable, Sendable {
    /// How reports call it.
    public let name: String

    /// The kind of this name.
    public init(_ name: String) { self.name = name }
  }

  /// What one kind of work has taken.
  public struct Work: Equatable, Sendable {
    /// Seconds of the forward pass, and of work that has no direction.
    public var forward = 0.0
    /// Seconds of the backward pass.
    public var backward = 0.0
    /// The multiply-adds of the forward pass by definition, whatever algorithm computes them:
    /// every weight meets every pixel of its layer's output. Backward computes two products for
    /// each one of forward.
    public var multiplyAdds = 0

    /// None yet.
    public init() {}
  }

  private let state = Mutex([Kind: Work]())

  /// A profile without any work.
  public init() {}

  /// The work so far, of the kinds that there was any of.
  public var work: [Kind: Work] { state.withLock { $0 } }

  /// Forgets the work so far.
  public func reset() { state.withLock { $0 = [:] } }

  /// Runs some work and adds what it takes.
  ///
  /// - Parameters:
  ///   - multiplyAdds: Those of a forward pass.
  ///   - pool: That of the thread that works: the time of others that help it is added too.
  public func measure<Result, Failure: Error>(
    _ kind: Kind, backward: Bool = false, multiplyAdds: Int = 0, _ pool: BufferPool? = nil,
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let (start, helpedBefore) = (ContinuousClock.now, pool?.helped ?? .zero)
    defer {
      let helped = (pool?.helped ?? .zero) - helpedBefore
      let elapsed = (ContinuousClock.now - start + helped) / .seconds(1)
      state.withLock {
        $0[kind, default: Work()][keyPath: backward ? \Work.backward : \Work.forward] += elapsed
        $0[kind, default: Work()].multiplyAdds += multiplyAdds
      }
    }
    return try body()
  }
}

extension Optional where Wrapped == OperationProfile {
  /// Runs some work, measured where there is a profile.
  public func measure<Result, Failure: Error>(
    _ kind: OperationProfile.Kind, backward: Bool = false, multiplyAdds: Int = 0,
    _ pool: BufferPool? = nil, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    guard let self else { return try body() }
    return try self.measure(kind, backward: backward, multiplyAdds: multiplyAdds, pool, body)
  }
}
