// Normalisation of each position by itself, as transformers have it.

/// Layer normalisation over the channels of each pixel (Ba, Kiros, Hinton 2016).
///
/// Legend: `x` (pixels, c) the input, `y` = γ x̂ + β with x̂ = (x − mean)/√(variance + ε), mean and
/// variance over the c channels of one pixel, `g` = dy. `statistics` (n, h, w, 2) keeps the mean
/// and the reciprocal deviation of each pixel.
public struct LayerNormalization: Sendable {
  /// What is added to the variance.
  public let epsilon: Double

  /// The pixels whose parts of dγ and dβ are summed before they are added to the others.
  private static let block = 64

  /// Normalisation with ε = 1e-5, as in CLIP and in PyTorch.
  public init(epsilon: Double = 1e-5) { self.epsilon = epsilon }

  /// The extents of the statistics of an input of extents `x`.
  public func statisticsShape(for x: Shape) -> Shape { x.with(channels: 2) }

  /// y ← γ x̂ + β, and the statistics for the backward pass.
  public func forward(
    _ x: Tensor, _ gamma: UnsafePointer<Float>, _ beta: UnsafePointer<Float>, into y: Tensor,
    statistics: Tensor, _ pool: BufferPool
  ) {
    let c = x.shape.c
    pool.split(x.shape.pixels, cost: 8 * c) { [epsilon] rows in
      for row in rows {
        let (source, target) = (x.pointer + row * c, y.pointer + row * c)
        var sum = Vector()
        forEachVector(c) { i, lanes in sum += load(source + i, lanes) }
        let mean = Float(Double(sum.sum()) / Double(c))
        var squares = Vector()
        forEachVector(c) { i, lanes in
          let v = centred(source + i, lanes, mean)
          squares = multiplyAdd(v, v, squares)
        }
        let variance = Double(squares.sum()) / Double(c)
        let rdev = Float(1 / (variance + epsilon).squareRoot())
        forEachVector(c) { i, lanes in
          let v = (load(source + i, lanes) - mean) * rdev
          store(multiplyAdd(v, load(gamma + i, lanes), load(beta + i, lanes)), target + i, lanes)
        }
        (statistics.pointer[2 * row], statistics.pointer[2 * row + 1]) = (mean, rdev)
      }
    }
  }

  /// dx ← the gradient of x, rdev (γ g − m₁ − x̂ m₂) with m₁ = mean(γ g) and m₂ = mean(γ g x̂); dγ
  /// and dβ are added to.
  ///
  /// - Parameter slopes: dγ and dβ; nil where they are not asked for.
  public func backward(
    _ x: Tensor, _ gamma: UnsafePointer<Float>, _ dy: Tensor, statistics: Tensor, into dx: Tensor,
    slopes: (gamma: UnsafeMutablePointer<Float>, beta: UnsafeMutablePointer<Float>)?,
    _ pool: BufferPool
  ) {
    let (pixels, c) = (x.shape.pixels, x.shape.c)
    let blocks = (pixels + Self.block - 1) / Self.block
    func backward(_ parts: UnsafeMutablePointer<Float>?) {
      pool.split(blocks, cost: 16 * Self.block * c) { blocks in
        for block in blocks {
          let rows = block * Self.block..<min((block + 1) * Self.block, pixels)
          let part = parts.map { $0 + 2 * block * c }
          part?.update(repeating: 0, count: 2 * c)
          for row in rows {
            let (mean, rdev) = (statistics.pointer[2 * row], statistics.pointer[2 * row + 1])
            self.backward(
              x.pointer + row * c, gamma, dy.pointer + row * c, c, mean: mean, rdev: rdev,
              into: dx.pointer + row * c, slopes: part)
          }
        }
      }
    }
    guard let slopes else { return backward(nil) }
    pool.withScratch(count: 2 * blocks * c) { parts in
      backward(parts)
      for block in 0..<blocks {
        Elementwise.add(parts + 2 * block * c, to: slopes.gamma, count: c)
        Elementwise.add(parts + (2 * block + 1) * c, to: slopes.beta, count: c)
      }
    }
  }

  /// dx of one pixel; its parts of dγ and dβ are added to `slopes` (2, c).
  private func backward(
    _ x: UnsafePointer<Float>, _ gamma: UnsafePointer<Float>, _ g: UnsafePointer<Float>, _ c: Int,
    mean: Float, rdev: Float, into dx: UnsafeMutablePointer<Float>,
    slopes: UnsafeMutablePointer<Float>?
  ) {
    var (sum, moment) = (Vector(), Vector())
    forEachVector(c) { i, lanes in
      let g = load(g + i, lanes)
      let normalized = centred(x + i, lanes, mean) * rdev
      let slope = g * load(gamma + i, lanes)
      sum += slope
      moment = multiplyAdd(slope, normalized, moment)
      if let slopes {
        store(multiplyAdd(g, normalized, load(slopes + i, lanes)), slopes + i, lanes)
        store(load(slopes + (c + i), lanes) + g, slopes + (c + i), lanes)
      }
    }
    let (m1, m2) = (sum.sum() / Float(c), moment.sum() / Float(c))
    forEachVector(c) { i, lanes in
      let normalized = (load(x + i, lanes) - mean) * rdev
      let slope = load(g + i, lanes) * load(gamma + i, lanes) - m1
      store((slope - normalized * m2) * rdev, dx + i, lanes)
    }
  }
}

/// x − mean in the first `lanes` lanes, 0 in the others.
@inline(__always)
private func centred(_ x: UnsafePointer<Float>, _ lanes: Int, _ mean: Float) -> Vector {
  var v = load(x, lanes) - mean
  if lanes < 16 { for lane in lanes..<16 { v[lane] = 0 } }
  return v
}
