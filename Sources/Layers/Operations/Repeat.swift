// One learned vector for every pixel, on the tape.

import Foundation
import Tensors

extension Pass {
  /// A learned vector at each pixel.
  ///
  /// - Parameters:
  ///   - vector: (c).
  ///   - shape: (n, h, w, c).
  package func repeated(_ vector: Parameter, shape: Shape) -> Variable {
    lookUp(
      Array(repeating: 0, count: shape.pixels), in: vector, width: vector.range.count, shape: shape)
  }
}

extension ParameterRegistry {
  /// Appends the logarithm of one standard deviation, which weight decay leaves alone.
  ///
  /// - Parameter deviation: That before training.
  package mutating func addLogDeviation(_ name: String, _ deviation: Double) -> Parameter {
    add(name, [1], .constant(Float(log(deviation))), decays: false)
  }
}
