// What a network may emit, at any noise level.

extension Prediction {
  /// The quantity as `x0` · x_0 + `xt` · x_t for x_t = `forward.x0` · x_0 + `forward.noise` · ε, see
  /// `definition(_:_:)`; nil for the mean, which depends on the step before.
  public func definition(_ forward: (x0: Double, noise: Double)) -> (x0: Double, xt: Double)? {
    switch self {
    case .epsilon: (-forward.x0 / forward.noise, 1 / forward.noise)
    case .x0: (1, 0)
    case .mean: nil
    case .v: (-1 / forward.noise, forward.x0 / forward.noise)
    }
  }

  /// The affine map that turns this quantity into another one at any noise level; nil where one of
  /// them is the mean.
  ///
  /// - Parameter forward: √ᾱ and √(1−ᾱ).
  public func conversion(
    to target: Prediction, for forward: (x0: Double, noise: Double)
  ) -> AffineConversion? {
    guard let own = definition(forward), let other = target.definition(forward) else { return nil }
    return self == target
      ? AffineConversion(scale: 1, xt: 0) : AffineConversion(from: own, to: other)
  }
}

extension AffineConversion {
  /// The map from one quantity `x0` · x_0 + `xt` · x_t to another, from which x_0 is eliminated: the
  /// factor of the value is a'/a, that of x_t is b' − (a'/a) b.
  init(from own: (x0: Double, xt: Double), to other: (x0: Double, xt: Double)) {
    let scale = other.x0 / own.x0
    self.init(scale: scale, xt: other.xt - scale * own.xt)
  }
}
