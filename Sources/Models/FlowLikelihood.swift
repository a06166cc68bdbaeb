// How the likelihood by the flow is asked for, and what it is.

import Foundation
import Sampling

/// How the likelihood by the flow is computed.
public struct FlowOptions: Equatable, Sendable {
  /// How the trace of the network's Jacobian is made.
  public enum Trace: Equatable, Sendable {
    /// The mean over so many random directions of signs, which stay the same for an image all the
    /// way (Hutchinson 1989; Grathwohl et al. 2019).
    case hutchinson(probes: Int)
    /// From as many directions as an image has scalars.
    case exact
  }

  /// How the trace is made; each direction costs a forward and a backward pass an evaluation.
  public var trace = Trace.hutchinson(probes: 1)
  /// How the flow is integrated.
  public var integrator = DormandPrince()

  /// One probe, tolerance 1e-5.
  public init() {}

  /// Refuses what cannot be followed.
  ///
  /// - Throws: `EvaluationError.invalid`.
  public func check() throws(EvaluationError) {
    guard integrator.tolerance > 0, integrator.tolerance < 1 else {
      throw .invalid(option: "tolerance", needs: "a number between 0 and 1")
    }
    if case .hutchinson(let probes) = trace, !(1...1000).contains(probes) {
      throw .invalid(option: "draws", needs: "a number from 1 to 1000")
    }
  }
}

/// The likelihood of one image by the flow.
public struct FlowLikelihood: Equatable, Sendable {
  /// log p in nats, summed over the scalars, of an image in [−1, 1]: of grey levels, after noise
  /// has spread them over their bins.
  public let nats: Double
  /// How often ε̂ was asked for; each time, all directions of the trace were.
  public let evaluations: Int

  /// A likelihood.
  public init(nats: Double, evaluations: Int) {
    self.nats = nats
    self.evaluations = evaluations
  }

  /// What the image costs in nats: −log p, and d log((K−1)/2) where it has K grey levels, whose bins
  /// are 2/(K−1) wide.
  ///
  /// So an image costs −log₂ p/d + log₂((K−1)/2) bits per scalar. Over the noise within the bins the
  /// mean is not below −log of the mass that p gives to the bin (Theis, van den Oord, Bethge 2016,
  /// section 3.1).
  ///
  /// - Parameters:
  ///   - dimensions: d.
  ///   - levels: K; nil: continuous.
  public func cost(dimensions: Int, levels: Int?) -> Double {
    -nats + (levels.map { Double(dimensions) * log(Double($0 - 1) / 2) } ?? 0)
  }
}
