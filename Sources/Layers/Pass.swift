// Automatic differentiation by a tape of closures.

import Tensors

/// One evaluation of a network by one worker: the weights, the memory and the tape.
///
/// Operations are methods of `Pass`, one file each. An operation whose gradient is wanted records a
/// closure that carries it one operation back; `backward()` replays them in reverse and releases
/// each as soon as it has run. Wanted are the gradients of all parameters where there is a buffer
/// for them, and of what is read as a `Variable.input`. Without either nothing is recorded and every
/// intermediate buffer returns to the pool at once; with inputs alone, no gradient of a parameter
/// is computed.
public final class Pass {
  /// Where intermediate tensors come from.
  public let pool: BufferPool
  /// Where the time of each operation is noted; nil where nobody asks.
  public internal(set) var profile: OperationProfile?
  /// Where transformed kernels are kept from pass to pass over the same weights.
  let preparedKernels: PreparedKernels?
  private let weights: UnsafePointer<Float>
  private let gradient: UnsafeMutablePointer<Float>?
  private let dropoutStreams: [RandomStream]
  /// Whether the forward pass keeps only what blocks begin with (`recomputed`).
  let recomputes: Bool
  /// The format of the operands of products.
  let precision: Precision
  var dropoutBlock = 0
  var tape: [TapeEntry] = []
  /// Whether the maps of operations are let go: their block runs again in the backward pass.
  var isOutline = false
  /// Whether the operations that are done now belong to a block that is computed again.
  var isWithinBlock = false
  /// Where the parameters begin whose gradients are begun.
  private var begun: Set<Int> = []

  /// One operation of the backward pass.
  struct TapeEntry {
    let backward: () -> Void
    /// The end of the last parameter of this operation and all before it.
    let parameterEnd: Int
  }

  /// A pass over the weights of one parameter buffer.
  ///
  /// - Parameters:
  ///   - pool: The worker's memory.
  ///   - weights: The parameter buffer; it must outlive the pass and stay unchanged.
  ///   - gradient: The buffer that gets the gradients of all parameters that are used, whatever it
  ///     holds; nil where those are not wanted.
  ///   - dropoutStreams: The random numbers of each image's dropout masks; empty: nothing is
  ///     dropped.
  ///   - recomputes: Whether blocks are computed again in the backward pass, for less memory and
  ///     the same bits.
  ///   - precision: The format of the operands of convolutions' and attention's products.
  ///   - profile: Where the time of each operation is noted; nil: nowhere.
  ///   - preparedKernels: Transformed kernels of these weights, kept from pass to pass; nil: none.
  public init(
    pool: BufferPool, weights: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>? = nil,
    dropoutStreams: [RandomStream] = [], recomputes: Bool = false,
    precision: Precision = .float32, profile: OperationProfile? = nil,
    preparedKernels: PreparedKernels? = nil
  ) {
    self.pool = pool
    self.weights = weights
    self.gradient = gradient
    self.dropoutStreams = dropoutStreams
    self.recomputes = recomputes
    self.precision = precision
    self.profile = profile
    self.preparedKernels = preparedKernels
  }

  /// Replays the tape in reverse: the gradient buffer gets every parameter's gradient, and each
  /// input its own.
  ///
  /// A loss must have been recorded.
  ///
  /// - Parameter finished: Called after each operation with the element of the gradient buffer from
  ///   which to its end it is final; it says nothing where there is no buffer.
  public func backward(_ finished: (_ downTo: Int) -> Void = { _ in }) {
    let end = tape.last?.parameterEnd ?? 0
    while let entry = tape.popLast() {
      entry.backward()
      let offset = tape.last?.parameterEnd ?? 0
      finished(offset)
      // The gradient takes pages as it is written: maps that are done give as many back.
      if learnsParameters { pool.besideBytes = (end - offset) * MemoryLayout<Float>.stride }
    }
    pool.besideBytes = 0
  }

  /// Puts an operation of the backward pass at the end of the tape.
  func append(parameters: [Parameter] = [], _ backward: @escaping () -> Void) {
    let end = parameters.reduce(tape.last?.parameterEnd ?? 0) { max($0, $1.range.upperBound) }
    tape.append(TapeEntry(backward: backward, parameterEnd: end))
  }

  /// The scalars of a parameter.
  func weights(_ parameter: Parameter) -> UnsafePointer<Float> {
    weights + parameter.range.lowerBound
  }

  /// The gradient of a parameter, and whether it holds a part of it to which more is added;
  /// otherwise it is to be written, whatever it holds.
  func partialGradient(
    _ parameter: Parameter
  ) -> (scalars: UnsafeMutablePointer<Float>, adds: Bool) {
    guard let gradient else { preconditionFailure("This pass has no buffer of gradients.") }
    let isFirst = begun.insert(parameter.range.lowerBound).inserted
    return (gradient + parameter.range.lowerBound, !isFirst)
  }

  /// The gradient of a parameter, to be added to; zeros where it is asked for first.
  func gradient(_ parameter: Parameter) -> UnsafeMutablePointer<Float> {
    let (scalars, adds) = partialGradient(parameter)
    if !adds { scalars.update(repeating: 0, count: parameter.range.count) }
    return scalars
  }

  /// The result of an operation; it is recorded where it has parameters to learn or reads a
  /// variable whose gradient is wanted.
  ///
  /// - Parameters:
  ///   - value: The operation's output.
  ///   - kind: What its time counts as.
  ///   - inputs: Where the gradients of what the operation read are summed.
  ///   - parameters: What the operation has to learn.
  ///   - backward: Carries the gradient of the output to the inputs and, where the pass
  ///     `learnsParameters`, the parameters.
  func record(
    _ value: Tensor, as kind: OperationProfile.Kind, from inputs: GradientSlot?...,
    parameters: [Parameter] = [],
    backward: @escaping (Tensor) -> Void
  ) -> Variable {
    let learned = learnsParameters ? parameters : []
    guard !learned.isEmpty || inputs.contains(where: { $0 != nil }) else { return Variable(value) }
    let slot = GradientSlot()
    if isOutline {
      append(parameters: learned) {}
      return Variable(value, slot)
    }
    append(parameters: learned) { [unowned self] in
      guard let gradient = slot.take() else {
        for parameter in learned { _ = self.gradient(parameter) }  // zeros: nothing arrived
        return
      }
      profile.measure(kind, backward: true, pool) { backward(gradient) }
    }
    return Variable(value, slot)
  }

  /// Whether the gradients of parameters are wanted.
  package var learnsParameters: Bool { gradient != nil }

  /// A pass over the same weights that records nothing and drops nothing: for what a loss only wants to
  /// know.
  package func withoutGradient() -> Pass {
    Pass(
      pool: pool, weights: weights, precision: precision, profile: profile,
      preparedKernels: preparedKernels)
  }

  /// Puts the gradient of a loss at the end of the tape.
  func seed(_ y: Variable, with gradient: Tensor) {
    guard let slot = y.slot else { return }
    precondition(!isOutline, "A loss is no part of a block.")
    let pool = pool
    append { slot.add(gradient, pool) }
  }

  /// The masks of the next layer that drops scalars of maps of some extents; nil where none does.
  func dropout(rate: Double, _ shape: Shape) -> Dropout? {
    guard rate > 0, !dropoutStreams.isEmpty else { return nil }
    precondition(dropoutStreams.count == shape.n, "Dropout needs one random stream an image.")
    defer { dropoutBlock += Dropout.blockCount(imageCount: shape.imageCount) }
    return Dropout(rate: rate, streams: dropoutStreams, firstBlock: dropoutBlock)
  }
}
