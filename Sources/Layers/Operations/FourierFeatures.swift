// Waves of an image's scalars beside them, so that a network sees which of two near values it is.

import Foundation
import Tensors

extension Pass {
  /// x, and for each exponent n sin(2^n π x) and cos(2^n π x) of all its channels (Kingma et al. 2021,
  /// section 3.4).
  ///
  /// - Parameters:
  ///   - x: (n, h, w, c).
  ///   - exponents: n_1 … n_f.
  /// - Returns: (n, h, w, c (1 + 2f)): the channels of x, then those of each sine and cosine.
  package func fourierFeatures(_ x: Variable, exponents: [Int]) -> Variable {
    let (shape, c) = (x.shape, x.shape.c)
    let frequencies = exponents.map { Double.pi * exp2(Double($0)) }
    let width = c * (1 + 2 * exponents.count)
    let y = Tensor(shape.with(channels: width), in: pool)
    profile.measure(.elementwise) {
      for pixel in 0..<shape.pixels {
        let (source, target) = (x.value.pointer + pixel * c, y.pointer + pixel * width)
        for k in 0..<c {
          target[k] = source[k]
          for (f, frequency) in frequencies.enumerated() {
            let phase = frequency * Double(source[k])
            target[c * (1 + 2 * f) + k] = Float(sin(phase))
            target[c * (2 + 2 * f) + k] = Float(cos(phase))
          }
        }
      }
    }
    let slot = x.slot
    return record(y, as: .elementwise, from: slot) { [unowned self] dy in
      guard let slot else { return }
      let dx = Tensor(shape, in: pool)
      for pixel in 0..<shape.pixels {
        let (waves, slopes) = (y.pointer + pixel * width, dy.pointer + pixel * width)
        for k in 0..<c {
          var sum = Double(slopes[k])
          for (f, frequency) in frequencies.enumerated() {
            let (sine, cosine) = (c * (1 + 2 * f) + k, c * (2 + 2 * f) + k)
            sum +=
              frequency
              * (Double(slopes[sine]) * Double(waves[cosine])
                - Double(slopes[cosine]) * Double(waves[sine]))
          }
          dx.pointer[pixel * c + k] = Float(sum)
        }
      }
      slot.add(dx, pool)
    }
  }
}
