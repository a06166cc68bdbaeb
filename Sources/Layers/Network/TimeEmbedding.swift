// Timesteps as vectors.

import Foundation
import Tensors

/// The vector that tells the network the timestep: sinusoids, then two linear layers with SiLU.
///
/// f_i = exp(−i ln 10000/(half − 1)) for i < half = channels/2; the input is
/// [sin(t f), cos(t f)] (Vaswani et al. 2017, section 3.5, in the form of Ho et al.'s code).
struct TimeEmbedding: Sendable {
  private let frequencies: [Double]
  private let first: LinearLayer
  private let second: LinearLayer

  init(_ name: String, _ registry: inout ParameterRegistry, channels: Int) {
    let half = channels / 2
    frequencies = (0..<half).map { exp(-Double($0) * log(10000) / Double(half - 1)) }
    first = LinearLayer("\(name)/dense0", &registry, inputs: channels, outputs: 4 * channels)
    second = LinearLayer("\(name)/dense1", &registry, inputs: 4 * channels, outputs: 4 * channels)
  }

  /// SiLU of the embedding, (n, 1, 1, 4 channels), as every residual block reads it.
  ///
  /// - Parameters:
  ///   - times: The timestep of each image, 0 … T − 1, or between two of them.
  ///   - condition: What is added before the last SiLU, (n, 1, 1, 4 channels).
  func callAsFunction(
    _ times: [Double], plus condition: Variable? = nil, _ pass: Pass
  ) -> Variable {
    let half = frequencies.count
    let x = Tensor(Shape(times.count, 1, 1, 2 * half), in: pass.pool)
    for (n, t) in times.enumerated() {
      for (i, frequency) in frequencies.enumerated() {
        x.image(n)[i] = Float(sin(t * frequency))
        x.image(n)[half + i] = Float(cos(t * frequency))
      }
    }
    let hidden = pass.activate(first(Variable(x), pass))
    return pass.activate(second(hidden, residual: condition, pass))
  }
}
