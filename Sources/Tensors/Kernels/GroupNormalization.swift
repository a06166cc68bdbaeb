// Normalisation together with what follows it in a residual block.

/// Group normalisation (Wu, He 2018), with SiLU and dropout behind it where they are asked for.
///
/// Legend: `x` (n, h, w, c) the input, `u` = γ x̂ + β with x̂ = (x − mean)/√(variance + ε), `y` = u
/// or SiLU(u), masked by dropout; mean and variance over the pixels and the c/groups channels of
/// one group of one image. `statistics` (n, 1, 2, groups) keeps the means and the reciprocal
/// deviations.
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

  /// y ← SiLU(γ x̂ + β) or γ x̂ + β, and the statistics for the backward pass.
  ///
  /// - Parameter stride: How far apart γ and β of neighbouring images are; 0: all images have the same.
  public func forward(
    _ x: Tensor, _ gamma: UnsafePointer<Float>, _ beta: UnsafePointer<Float>, stride: Int = 0,
    into y: Tensor, statistics: Tensor, dropout: Dropout? = nil, _ pool: BufferPool
  ) {
    split(x.shape, dropout, scratch: 5 * x.shape.c, pool) { images, channels, scratch in
      forward(
        x, images, channels, gamma, beta, stride: stride, into: y, statistics: statistics,
        dropout: dropout,
        scratch)
    }
  }

  private func forward(
    _ x: Tensor, _ images: Range<Int>, _ channels: Range<Int>, _ gamma: UnsafePointer<Float>,
    _ beta: UnsafePointer<Float>, stride: Int, into y: Tensor, statistics: Tensor,
    dropout: Dropout?, _ scratch: UnsafeMutablePointer<Float>
  ) {
    let (pixels, c) = (x.shape.h * x.shape.w, x.shape.c)
    let (a, b) = (scratch + 3 * c, scratch + 4 * c)
    for n in images {
      let (image, target) = (x.image(n).baseAddress!, y.image(n).baseAddress!)
      computeStatistics(image, x.shape, channels, into: statistics.image(n), scratch)
      affineCoefficients(
        statistics.image(n), c, channels, gamma + n * stride, beta + n * stride, a, b)
      select(activates) { activates in
        forEachRun(pixels) { run in
          forEachPanel(channels) { i, lanes in
            let (slope, intercept) = (load(a + i, lanes), load(b + i, lanes))
            var pixel = run.lowerBound &* c &+ i
            for _ in run {
              let u = multiplyAdd(slope, load(image + pixel, lanes), intercept)
              store(activates ? u * sigmoid(u) : u, target + pixel, lanes)
              pixel &+= c
            }
          }
        }
      }
      dropout?.apply(image: n, target, into: target, count: y.shape.imageCount)
    }
  }

  /// dx ← the gradient of x; dγ and dβ are added to.
  ///
  /// - Parameter slopes: dγ and dβ; nil where they are not asked for.
  public func backward(
    _ x: Tensor, _ gamma: UnsafePointer<Float>, _ beta: UnsafePointer<Float>, _ dy: Tensor,
    statistics: Tensor, into dx: Tensor,
    slopes: (gamma: UnsafeMutablePointer<Float>, beta: UnsafeMutablePointer<Float>)?,
    dropout: Dropout? = nil, _ pool: BufferPool
  ) {
    let (count, c) = (x.shape.n, x.shape.c)
    func backward(_ parts: UnsafeMutablePointer<Float>?) {
      self.backward(
        x, gamma, beta, dy, statistics: statistics, into: dx, parts: parts, dropout: dropout, pool)
    }
    guard let slopes else { return backward(nil) }
    pool.withScratch(count: 2 * count * c) { parts in
      backward(parts)
      for n in 0..<count {
        Elementwise.add(parts + 2 * n * c, to: slopes.gamma, count: c)
        Elementwise.add(parts + (2 * n + 1) * c, to: slopes.beta, count: c)
      }
    }
  }

  /// dx ← the gradient of x; dγ, then dβ of each image by itself.
  ///
  /// - Parameters:
  ///   - stride: How far apart γ and β of neighbouring images are; 0: all images have the same.
  ///   - parts: dγ and dβ, (n, 2, c); nil where they are not asked for.
  public func backward(
    _ x: Tensor, _ gamma: UnsafePointer<Float>, _ beta: UnsafePointer<Float>, stride: Int = 0,
    _ dy: Tensor, statistics: Tensor, into dx: Tensor, parts: UnsafeMutablePointer<Float>?,
    dropout: Dropout? = nil, _ pool: BufferPool
  ) {
    split(x.shape, dropout, scratch: 9 * x.shape.c, pool) { images, channels, scratch in
      backward(
        x, images, channels, gamma, beta, stride: stride, dy, statistics: statistics, into: dx,
        slopes: parts, dropout: dropout, scratch)
    }
  }

  /// dx and, in `slopes` (n, 2, c) where they are asked for, the parts of dγ and dβ of some images and
  /// channels.
  private func backward(
    _ x: Tensor, _ images: Range<Int>, _ channels: Range<Int>, _ gamma: UnsafePointer<Float>,
    _ beta: UnsafePointer<Float>, stride: Int, _ dy: Tensor, statistics: Tensor, into dx: Tensor,
    slopes: UnsafeMutablePointer<Float>?, dropout: Dropout?,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    let (pixels, c) = (x.shape.h * x.shape.w, x.shape.c)
    let rows = scratch + 4 * c
    let (a, b, p, q, r) = (rows, rows + c, rows + 2 * c, rows + 3 * c, rows + 4 * c)
    scratch.withMemoryRebound(to: Double.self, capacity: 2 * c) { sum in
      let moment = sum + c
      for n in images {
        let (image, target) = (x.image(n).baseAddress!, dx.image(n).baseAddress!)
        let gamma = gamma + n * stride
        affineCoefficients(
          statistics.image(n), c, channels, gamma, beta + n * stride, a, b)
        channelMeans(statistics.image(n), c, channels, into: r)
        var slope = UnsafePointer(dy.image(n).baseAddress!)
        if let dropout {
          dropout.apply(image: n, slope, into: target, count: x.shape.imageCount)
          slope = UnsafePointer(target)
        }
        // First pass: dx holds g = ∂L/∂u; per channel Σ g and Σ g (x − mean).
        sum.update(repeating: 0, count: 2 * c)
        select(activates) { activates in
          forEachRun(pixels) { run in
            activationGradient(
              image, slope, a, b, mean: r, run, c, channels, into: target, sum, moment, activates)
          }
        }
        if let slopes {
          let dgamma = slopes + 2 * n * c
          parameterGradients(statistics.image(n), c, channels, sum, moment, dgamma, dgamma + c)
        }
        inputCoefficients(statistics.image(n), pixels, c, channels, gamma, sum, moment, p, q, r)
        // Second pass: dx = p g + q x + r.
        forEachRun(pixels) { run in
          forEachPanel(channels) { i, lanes in
            let (p, q, r) = (load(p + i, lanes), load(q + i, lanes), load(r + i, lanes))
            var pixel = run.lowerBound &* c &+ i
            for _ in run {
              let addend = multiplyAdd(q, load(image + pixel, lanes), r)
              store(multiplyAdd(p, load(target + pixel, lanes), addend), target + pixel, lanes)
              pixel &+= c
            }
          }
        }
      }
    }
  }

  /// What an image costs, in multiplications and additions: mostly the exponential's.
  private static func cost(_ x: Shape) -> Int { 32 * x.imageCount }

  /// Calls `body` with a condition that the compiler knows in each of its copies.
  @inline(__always)
  private func select(_ condition: Bool, _ body: (Bool) -> Void) {
    if condition { body(true) } else { body(false) }
  }

  /// Calls `body` for some images with all channels at a time, or, where there are few images, for all
  /// of them with some channels: whole groups and whole vectors. Dropout counts the scalars of an image.
  private func split(
    _ x: Shape, _ dropout: Dropout?, scratch: Int, _ pool: BufferPool,
    _ body:
      @escaping (
        _ images: Range<Int>, _ channels: Range<Int>, _ scratch: UnsafeMutablePointer<Float>
      ) -> Void
  ) {
    let size = x.c / groups
    // The least common multiple of 16 and the size of a group.
    let unit = size * (16 >> min(4, size.trailingZeroBitCount))
    if x.n < 4, dropout == nil, x.c % unit == 0, x.c / unit > x.n {
      return pool.split(
        x.c / unit, cost: Self.cost(x) * x.n * unit / x.c, scratch: scratch
      ) { part, scratch in
        body(0..<x.n, part.lowerBound * unit..<part.upperBound * unit, scratch)
      }
    }
    pool.split(x.n, cost: Self.cost(x), scratch: scratch) { images, scratch in
      body(images, 0..<x.c, scratch)
    }
  }

  /// Calls `body` with each group of some channels, and its channels.
  @inline(__always)
  private func forEachGroup(
    _ c: Int, _ channels: Range<Int>, _ body: (_ group: Int, _ channels: Range<Int>) -> Void
  ) {
    let size = c / groups
    for group in channels.lowerBound / size..<channels.upperBound / size {
      body(group, group &* size..<(group &+ 1) &* size)
    }
  }

  /// Calls `body(i, lanes)` for the first of every sixteen of some channels, as `forEachPanel` does.
  @inline(__always)
  private func forEachPanel(_ channels: Range<Int>, _ body: (_ i: Int, _ lanes: Int) -> Void) {
    Tensors.forEachPanel(channels.count) { body(channels.lowerBound &+ $0, $1) }
  }

  /// Adds the first `lanes` lanes to as many sums in Double.
  @inline(__always)
  private func add(_ vector: Vector, _ lanes: Int, to sums: UnsafeMutablePointer<Double>) {
    guard lanes == 16 else {
      for lane in 0..<lanes { sums[lane] += Double(vector[lane]) }
      return
    }
    let (low, high) = (vector.lowHalf, vector.highHalf)
    add(low.lowHalf, to: sums)
    add(low.highHalf, to: sums + 4)
    add(high.lowHalf, to: sums + 8)
    add(high.highHalf, to: sums + 12)
  }

  @inline(__always)
  private func add(_ four: SIMD4<Float>, to sums: UnsafeMutablePointer<Double>) {
    let pointer = UnsafeMutableRawPointer(sums)
    let sum = pointer.loadUnaligned(as: SIMD4<Double>.self) + SIMD4<Double>(four)
    pointer.storeBytes(of: sum, as: SIMD4<Double>.self)
  }

  /// Cuts the pixels of an image into runs over which sums are in Float; their sum is in Double.
  @inline(__always)
  private func forEachRun(_ pixels: Int, _ body: (_ run: Range<Int>) -> Void) {
    for start in stride(from: 0, to: pixels, by: 32) { body(start..<min(start + 32, pixels)) }
  }

  /// g ← ∂L/∂u of a run of pixels; Σ g and Σ g (x − mean) are added to.
  @inline(__always)
  private func activationGradient(
    _ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, _ a: UnsafePointer<Float>,
    _ b: UnsafePointer<Float>, mean: UnsafePointer<Float>, _ run: Range<Int>, _ c: Int,
    _ channels: Range<Int>, into g: UnsafeMutablePointer<Float>,
    _ sum: UnsafeMutablePointer<Double>,
    _ moment: UnsafeMutablePointer<Double>, _ activates: Bool
  ) {
    let one = Vector(repeating: 1)
    forEachPanel(channels) { i, lanes in
      let (slope, intercept, mean) = (load(a + i, lanes), load(b + i, lanes), load(mean + i, lanes))
      var (lineSum, lineMoment) = (Vector(), Vector())
      var pixel = run.lowerBound &* c &+ i
      for _ in run {
        let x = load(x + pixel, lanes)
        var v = load(dy + pixel, lanes)
        if activates {
          let u = multiplyAdd(slope, x, intercept)
          let s = sigmoid(u)
          v *= s * multiplyAdd(u, one - s, one)
        }
        store(v, g + pixel, lanes)
        lineSum += v
        lineMoment = multiplyAdd(v, x - mean, lineMoment)
        pixel &+= c
      }
      add(lineSum, lanes, to: sum + i)
      add(lineMoment, lanes, to: moment + i)
    }
  }

  /// Mean and reciprocal deviation of each group of one image, in two passes.
  private func computeStatistics(
    _ x: UnsafePointer<Float>, _ shape: Shape, _ channels: Range<Int>,
    into statistics: UnsafeMutableBufferPointer<Float>,
    _ scratch: UnsafeMutablePointer<Float>
  ) {
    let (pixels, c) = (shape.h * shape.w, shape.c)
    let count = Double(pixels * (c / groups))
    let mean = scratch + 2 * c
    scratch.withMemoryRebound(to: Double.self, capacity: c) { sum in
      for pass in 0..<2 {
        sum.update(repeating: 0, count: c)
        forEachRun(pixels) { run in
          forEachPanel(channels) { i, lanes in
            let centre = pass == 0 ? Vector() : load(mean + i, lanes)
            var line = Vector()
            var pixel = run.lowerBound &* c &+ i
            for _ in run {
              let v = load(x + pixel, lanes) - centre
              line = pass == 0 ? line + v : multiplyAdd(v, v, line)
              pixel &+= c
            }
            add(line, lanes, to: sum + i)
          }
        }
        forEachGroup(c, channels) { group, channels in
          var total = 0.0
          for i in channels { total += sum[i] }
          let value = total / count
          statistics[pass * groups + group] =
            Float(pass == 0 ? value : 1 / (value + epsilon).squareRoot())
        }
        if pass == 0 { channelMeans(statistics, c, channels, into: mean) }
      }
    }
  }

  /// The mean of the group of each channel.
  private func channelMeans(
    _ statistics: UnsafeMutableBufferPointer<Float>, _ c: Int, _ channels: Range<Int>,
    into mean: UnsafeMutablePointer<Float>
  ) {
    forEachGroup(c, channels) { group, channels in
      let value = statistics[group]
      for i in channels { mean[i] = value }
    }
  }

  /// a = γ · rdev and b = β − mean · a, so that u = a x + b.
  private func affineCoefficients(
    _ statistics: UnsafeMutableBufferPointer<Float>, _ c: Int, _ channels: Range<Int>,
    _ gamma: UnsafePointer<Float>, _ beta: UnsafePointer<Float>, _ a: UnsafeMutablePointer<Float>,
    _ b: UnsafeMutablePointer<Float>
  ) {
    forEachGroup(c, channels) { group, channels in
      let (mean, rdev) = (statistics[group], statistics[groups + group])
      for i in channels {
        a[i] = gamma[i] * rdev
        b[i] = beta[i] - mean * a[i]
      }
    }
  }

  /// dγ ← Σ g x̂ and dβ ← Σ g, from the sums over one image.
  private func parameterGradients(
    _ statistics: UnsafeMutableBufferPointer<Float>, _ c: Int, _ channels: Range<Int>,
    _ sum: UnsafePointer<Double>, _ moment: UnsafePointer<Double>,
    _ dgamma: UnsafeMutablePointer<Float>,
    _ dbeta: UnsafeMutablePointer<Float>
  ) {
    forEachGroup(c, channels) { group, channels in
      let rdev = Double(statistics[groups + group])
      for i in channels {
        dgamma[i] = Float(moment[i] * rdev)
        dbeta[i] = Float(sum[i])
      }
    }
  }

  /// The coefficients of dx = p g + q x + r: with rdev the reciprocal deviation and
  /// m₁ = mean(γ g), m₂ = mean(γ g x̂) over the group, dx = rdev (γ g − m₁ − x̂ m₂).
  private func inputCoefficients(
    _ statistics: UnsafeMutableBufferPointer<Float>, _ pixels: Int, _ c: Int,
    _ channels: Range<Int>, _ gamma: UnsafePointer<Float>, _ sum: UnsafePointer<Double>,
    _ moment: UnsafePointer<Double>,
    _ p: UnsafeMutablePointer<Float>, _ q: UnsafeMutablePointer<Float>,
    _ r: UnsafeMutablePointer<Float>
  ) {
    let count = Double(pixels * (c / groups))
    forEachGroup(c, channels) { group, channels in
      let (mean, rdev) = (Double(statistics[group]), Double(statistics[groups + group]))
      var (m1, m2) = (0.0, 0.0)
      for i in channels {
        m1 += Double(gamma[i]) * sum[i]
        m2 += Double(gamma[i]) * moment[i]
      }
      m1 /= count
      m2 *= rdev / count
      let (slope, intercept) = (
        Float(-rdev * rdev * m2), Float(-rdev * m1 + rdev * rdev * m2 * mean)
      )
      for i in channels {
        p[i] = Float(rdev * Double(gamma[i]))
        q[i] = slope
        r[i] = intercept
      }
    }
  }
}
