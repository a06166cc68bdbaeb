// What the operations of a pass read and return.

import Tensors

/// A tensor on its way through the network, with the place where its gradient will be summed.
public struct Variable {
  /// The scalars.
  public let value: Tensor
  /// Where the gradient is summed; nil where no gradient is wanted.
  let slot: GradientSlot?

  /// A constant: nothing flows back into it.
  public init(_ value: Tensor) {
    self.value = value
    slot = nil
  }

  /// A variable whose gradient is summed in `slot`.
  init(_ value: Tensor, _ slot: GradientSlot?) {
    self.value = value
    self.slot = slot
  }

  /// An input whose gradient is wanted, whether or not those of parameters are; read it with
  /// `gradient` after the backward pass.
  public static func input(_ value: Tensor) -> Variable { Variable(value, GradientSlot()) }

  /// The gradient, once the backward pass has reached this variable.
  public var gradient: Tensor? { slot?.sum }

  /// The extents (n, h, w, c).
  public var shape: Shape { value.shape }
}

/// The sum of the gradients that arrive from the operations that read one variable.
final class GradientSlot {
  private(set) var sum: Tensor?

  /// Adds a gradient; it may be shared with other slots.
  func add(_ gradient: Tensor, _ pool: BufferPool) {
    if sum == nil {
      sum = gradient
    } else {
      sum?.add(gradient, in: pool)
    }
  }

  /// Hands the sum over; nil where no gradient arrived.
  func take() -> Tensor? {
    defer { sum = nil }
    return sum
  }
}
