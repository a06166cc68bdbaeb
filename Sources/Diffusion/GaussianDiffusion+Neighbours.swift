// The same bound from neighbouring steps, before the posterior lowers its variance.
//
// −log p_θ(x_0) ≤ E_q[KL(q(x_T | x_{T−1}) ‖ p(x_T)) + Σ_{t=1}^{T−1} C_t + L_0] with
// C_t = log q(x_t | x_{t−1}) − log p_θ(x_t | x_{t+1}), all of one trajectory x_0, x_1, …, x_T
// (Ho et al. 2020, eq. 3). It asks every step to be "consistent" with its neighbours. Equal to
// L_T + ΣL_{t−1} + L_0 in expectation, it is the noisier estimate: C_t averages over three random
// images where L_{t−1} averages over one. For teaching and tests; training uses `boundTerm`.

extension GaussianDiffusion {
  /// C_t = log q(x_t | x_{t−1}) − log p_θ(x_t | x_{t+1}) in nats, summed over the d scalars.
  ///
  /// - Parameters:
  ///   - t: The middle step, 1 … T−1.
  ///   - previous: x_{t−1}, d scalars.
  ///   - current: x_t, drawn from q(x_t | x_{t−1}), d scalars.
  ///   - next: x_{t+1}, drawn from q(x_{t+1} | x_t) for this very x_t, d scalars.
  ///   - output: The network's raw output for x_{t+1}, d scalars.
  public func neighbourTerm(
    t: Int, previous: Span<Float>, current: Span<Float>, next: Span<Float>, output: Span<Float>
  ) -> Double {
    checkSizes(current, next, output)
    precondition(previous.count == current.count, "Neighbouring images have one size.")
    let root = schedule.alpha(t).squareRoot()
    let toMean = prediction.conversion(to: .mean, at: t + 1, of: schedule)
    var forwardSquares = 0.0
    var reverseSquares = 0.0
    for i in current.indices {
      let x = Double(current[i])
      let forwardError = x - root * Double(previous[i])
      let reverseError = x - toMean(Double(output[i]), xt: Double(next[i]))
      forwardSquares += forwardError * forwardError
      reverseSquares += reverseError * reverseError
    }
    return negativeLogNormal(
      squaredDistance: reverseSquares, variance: reverseVariance(t + 1),
      dimensions: current.count)
      - negativeLogNormal(
        squaredDistance: forwardSquares, variance: schedule.beta(t), dimensions: current.count)
  }

  /// KL(q(x_T | x_{T−1}) ‖ N(0, I)) in nats, summed over the d scalars.
  ///
  /// - Parameter previous: x_{T−1}, d scalars.
  public func neighbourTerminalTerm(previous: Span<Float>) -> Double {
    var squares = 0.0
    for i in previous.indices {
      squares += Double(previous[i]) * Double(previous[i])
    }
    let last = schedule.steps
    return klNormal(
      squaredDistance: schedule.alpha(last) * squares, variance: schedule.beta(last),
      reference: 1, dimensions: previous.count)
  }
}
