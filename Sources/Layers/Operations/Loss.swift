// Losses: where the tape begins to be read backward.

import Tensors

extension OperationProfile.Kind {
  /// Images, timesteps, noise, and the loss.
  public static let batch = Self("images and noise")
}

extension Pass {
  /// Records a loss, from which `backward()` starts.
  ///
  /// A pass may record several losses; backward descends along their sum.
  ///
  /// - Parameters:
  ///   - variables: What the loss depends on.
  ///   - evaluate: Computes the loss and fills its gradient with respect to each variable, of the
  ///     variable's shape. It is given no gradient to fill where none is wanted: by a pass without
  ///     a buffer for them, of variables that no input leads to.
  /// - Returns: What `evaluate` returns.
  public func loss<Value, Failure: Error>(
    of variables: Variable..., evaluate: (_ gradients: [Tensor]) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    try loss(of: variables, evaluate: evaluate)
  }

  /// Records a loss of any number of variables.
  public func loss<Value, Failure: Error>(
    of variables: [Variable], evaluate: (_ gradients: [Tensor]) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let isWanted = learnsParameters || variables.contains { $0.slot != nil }
    let gradients = isWanted ? variables.map { Tensor($0.shape, in: pool) } : []
    let value = try profile.measure(.batch) { () throws(Failure) in try evaluate(gradients) }
    for (variable, gradient) in zip(variables, gradients) { seed(variable, with: gradient) }
    return value
  }
}
