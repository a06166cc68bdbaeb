/// Group normalisation (Wu, He 2018), with SiLU and dropout behind it where they are asked for.
///
/// Legend: `x` (n, h, w, c) the input, `u` = γ x̂ + β with x̂ = (x − mean)/√(variance + ε), `y` = u
/// or SiLU(u), masked by dropout; mean and variance over the pixels and the c/groups channels of one group of one
/// image. `statistics` (n, 1, 2, groups) keeps the means and the reciprocal deviations.
public struct GroupNormalization: Sendable {
  /// The number of groups of neighbouring channels.
  public let groups: Int
  /// What is added to the variance.
  public let epsilon: Double
  /// Whether SiLU follows.
  public let activates: Bool

  /// Normalisation over `groups` groups, ε = 1e-6 as in Ho et al. 2020.
  public init(groups: Int, epsilon: Double = 1e-6, activates: Bool) {
    self.groups = groups
    self.epsilon = epsilon
    self.activates = activates
  }

  /// The extents of the statistics of an input of extents `x`.
  public func statisticsShape(for x: Shape) -> Shape { Shape(x.n, 1, 2, groups) }

  /// y ← SiLU(γ x̂ + β) or γ x̂ + β, and the statistics for the way back.
  public func forward(
    _ x: Tensor, _ gamma: UnsafePointer<Float>, _ beta: UnsafePointer<Float>, into y: Tensor,
    statistics: Tensor, dropout: Dropout? = nil
  ) {
    let (c, line) = (x.shape.c, x.shape.w * x.shape.c)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * c) { coefficients in
      let (a, b) = (coefficients.baseAddress!, coefficients.baseAddress! + c)
      for n in 0..<x.shape.n {
        let image = x.image(n).baseAddress!
        computeStatistics(image, x.shape, into: statistics.image(n))
        affineCoefficients(statistics.image(n), c, gamma, beta, a, b)
        for row in 0..<x.shape.h {
          let target = y.image(n).baseAddress! + row * line
          normalize(image + row * line, x.shape.w, c, a, b, into: target)
          if activates { SiLU.apply(target, count: line) }
        }
        let target = y.image(n).baseAddress!
        dropout?.apply(image: n, target, into: target, count: y.shape.imageCount)
      }
    }
  }

  /// dx ← the gradient of x; dγ and dβ are added to.
  public func backward(
    _ x: Tensor, _ gamma: UnsafePointer<Float>, _ beta: UnsafePointer<Float>, _ dy: Tensor,
    statistics: Tensor, into dx: Tensor, dgamma: UnsafeMutablePointer<Float>,
    dbeta: UnsafeMutablePointer<Float>, dropout: Dropout? = nil, _ pool: BufferPool
  ) {
    let (h, w, c) = (x.shape.h, x.shape.w, x.shape.c)
    let line = w * c
    let u = Tensor(Shape(1, 1, w, c), in: pool)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 7 * c) { rows in
      let (a, b) = (rows.baseAddress!, rows.baseAddress! + c)
      let (p, q, r) = (b + c, b + 2 * c, b + 3 * c)
      let (lineSum, lineMoment) = (b + 4 * c, b + 5 * c)
      withUnsafeTemporaryAllocation(of: Double.self, capacity: 2 * c) { sums in
        let (sum, moment) = (sums.baseAddress!, sums.baseAddress! + c)
        for n in 0..<x.shape.n {
          let (image, target) = (x.image(n).baseAddress!, dx.image(n).baseAddress!)
          affineCoefficients(statistics.image(n), c, gamma, beta, a, b)
          channelMeans(statistics.image(n), c, into: r)
          sum.update(repeating: 0, count: 2 * c)
          let slope = dy.image(n).baseAddress!
          if let dropout {
            dropout.apply(image: n, slope, into: target, count: x.shape.imageCount)
          } else {
            target.update(from: slope, count: x.shape.imageCount)
          }
          // First pass: dx holds g = ∂L/∂u; per channel Σ g and Σ g (x − mean).
          for row in 0..<h {
            let (xRow, g) = (image + row * line, target + row * line)
            if activates {
              normalize(xRow, w, c, a, b, into: u.pointer)
              SiLU.applyDerivative(at: u.pointer, to: g, count: line)
            }
            lineSum.update(repeating: 0, count: 2 * c)
            for pixel in 0..<w {
              let (xp, gp) = (xRow + pixel * c, g + pixel * c)
              for i in 0..<c {
                lineSum[i] += gp[i]
                lineMoment[i] += gp[i] * (xp[i] - r[i])
              }
            }
            for i in 0..<c {
              sum[i] += Double(lineSum[i])
              moment[i] += Double(lineMoment[i])
            }
          }
          addParameterGradients(statistics.image(n), c, sum, moment, dgamma, dbeta)
          inputCoefficients(statistics.image(n), h * w, c, gamma, sum, moment, p, q, r)
          // Second pass: dx = p g + q x + r.
          for pixel in 0..<h * w {
            let (xp, dp) = (image + pixel * c, target + pixel * c)
            for i in 0..<c { dp[i] = p[i] * dp[i] + q[i] * xp[i] + r[i] }
          }
        }
      }
    }
  }

  /// Mean and reciprocal deviation of each group of one image, in two passes.
  private func computeStatistics(
    _ x: UnsafePointer<Float>, _ shape: Shape, into statistics: UnsafeMutableBufferPointer<Float>
  ) {
    let (w, c) = (shape.w, shape.c)
    let (groupSize, line) = (c / groups, shape.w * shape.c)
    let count = Double(shape.h * w * groupSize)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * c) { scratch in
      let (sum, mean) = (scratch.baseAddress!, scratch.baseAddress! + c)
      for pass in 0..<2 {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: groups) { total in
          total.initialize(repeating: 0)
          for row in 0..<shape.h {
            sum.update(repeating: 0, count: c)
            for pixel in 0..<w {
              let xp = x + row * line + pixel * c
              if pass == 0 {
                for i in 0..<c { sum[i] += xp[i] }
              } else {
                for i in 0..<c {
                  let centred = xp[i] - mean[i]
                  sum[i] += centred * centred
                }
              }
            }
            for i in 0..<c { total[i / groupSize] += Double(sum[i]) }
          }
          for g in 0..<groups {
            let value = total[g] / count
            statistics[pass * groups + g] =
              Float(pass == 0 ? value : 1 / (value + epsilon).squareRoot())
          }
        }
        channelMeans(statistics, c, into: mean)
      }
    }
  }

  /// The mean of the group of each channel.
  private func channelMeans(
    _ statistics: UnsafeMutableBufferPointer<Float>, _ c: Int,
    into mean: UnsafeMutablePointer<Float>
  ) {
    for i in 0..<c { mean[i] = statistics[i / (c / groups)] }
  }

  /// a = γ · rdev and b = β − mean · a, so that u = a x + b.
  private func affineCoefficients(
    _ statistics: UnsafeMutableBufferPointer<Float>, _ c: Int, _ gamma: UnsafePointer<Float>,
    _ beta: UnsafePointer<Float>, _ a: UnsafeMutablePointer<Float>,
    _ b: UnsafeMutablePointer<Float>
  ) {
    for i in 0..<c {
      let group = i / (c / groups)
      a[i] = gamma[i] * statistics[groups + group]
      b[i] = beta[i] - statistics[group] * a[i]
    }
  }

  /// u ← a x + b for one row of pixels.
  private func normalize(
    _ x: UnsafePointer<Float>, _ w: Int, _ c: Int, _ a: UnsafePointer<Float>,
    _ b: UnsafePointer<Float>, into u: UnsafeMutablePointer<Float>
  ) {
    for pixel in 0..<w {
      let (xp, up) = (x + pixel * c, u + pixel * c)
      for i in 0..<c { up[i] = a[i] * xp[i] + b[i] }
    }
  }

  /// dγ += Σ g x̂ and dβ += Σ g, from the sums over one image.
  private func addParameterGradients(
    _ statistics: UnsafeMutableBufferPointer<Float>, _ c: Int, _ sum: UnsafePointer<Double>,
    _ moment: UnsafePointer<Double>, _ dgamma: UnsafeMutablePointer<Float>,
    _ dbeta: UnsafeMutablePointer<Float>
  ) {
    for i in 0..<c {
      dgamma[i] += Float(moment[i] * Double(statistics[groups + i / (c / groups)]))
      dbeta[i] += Float(sum[i])
    }
  }

  /// The coefficients of dx = p g + q x + r: with rdev the reciprocal deviation and
  /// m₁ = mean(γ g), m₂ = mean(γ g x̂) over the group, dx = rdev (γ g − m₁ − x̂ m₂).
  private func inputCoefficients(
    _ statistics: UnsafeMutableBufferPointer<Float>, _ pixels: Int, _ c: Int,
    _ gamma: UnsafePointer<Float>, _ sum: UnsafePointer<Double>, _ moment: UnsafePointer<Double>,
    _ p: UnsafeMutablePointer<Float>, _ q: UnsafeMutablePointer<Float>,
    _ r: UnsafeMutablePointer<Float>
  ) {
    let groupSize = c / groups
    let count = Double(pixels * groupSize)
    for group in 0..<groups {
      let (mean, rdev) = (Double(statistics[group]), Double(statistics[groups + group]))
      var (m1, m2) = (0.0, 0.0)
      let channels = group * groupSize..<(group + 1) * groupSize
      for i in channels {
        m1 += Double(gamma[i]) * sum[i] / count
        m2 += Double(gamma[i]) * moment[i] * rdev / count
      }
      for i in channels {
        p[i] = Float(rdev * Double(gamma[i]))
        q[i] = Float(-rdev * rdev * m2)
        r[i] = Float(-rdev * m1 + rdev * rdev * m2 * mean)
      }
    }
  }
}
