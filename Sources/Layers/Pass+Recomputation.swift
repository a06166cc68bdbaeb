// Less memory for more time: blocks whose maps are not kept, but computed again when they are needed.

import Tensors

extension OperationProfile.Kind {
  /// The forward pass of blocks that is done again, for the backward pass.
  public static let recomputation = Self("recomputation")
}

extension Pass {
  /// The output of a block of operations, of which, where the pass `recomputes`, only the output and
  /// what the block reads are kept until its backward pass runs it again (Chen et al. 2016,
  /// "Training deep nets with sublinear memory cost").
  ///
  /// Gradients have the same bits either way: when the block runs again, it draws the same dropout
  /// masks, reads the same variables, and adds to their gradients in the order in which it would
  /// have done so without. Within a block another one is nothing special.
  ///
  /// - Parameter block: Operations of this pass. What it captures is kept.
  package func recomputed(_ block: @escaping () -> Variable) -> Variable {
    guard recomputes, !isWithinBlock else { return block() }
    let firstDropoutBlock = dropoutBlock
    let (y, outline) = taped(isOutline: true, block)
    // Nothing in it is learned, and no gradient flows through it.
    guard let last = outline.last else { return y }
    let slot = y.slot
    let end = max(tape.last?.parameterEnd ?? 0, last.parameterEnd)
    let entry = TapeEntry(
      backward: { [unowned self] in
        backward(block, dropoutBlock: firstDropoutBlock, gradient: slot)
      }, parameterEnd: end)
    tape.append(entry)
    return y
  }

  /// Runs a block again, and carries the gradient of its output back through it.
  private func backward(_ block: () -> Variable, dropoutBlock first: Int, gradient: GradientSlot?) {
    let (outerTape, nextDropoutBlock) = (tape, dropoutBlock)
    defer { (tape, dropoutBlock) = (outerTape, nextDropoutBlock) }
    dropoutBlock = first
    // Its multiply-adds are not the network's: they are not counted again.
    var operations = profile.measure(.recomputation, pool) {
      let profile = profile
      self.profile = nil
      defer { self.profile = profile }
      let (y, operations) = taped(isOutline: false, block)
      if let gradient, let sum = gradient.take() { y.slot?.add(sum, pool) }
      return operations
    }
    while let operation = operations.popLast() { operation.backward() }
  }

  /// Runs a block with an empty tape.
  ///
  /// - Parameter isOutline: Whether the tape only says what there would be to do.
  private func taped(
    isOutline: Bool, _ block: () -> Variable
  ) -> (y: Variable, tape: [TapeEntry]) {
    let outer = tape
    (tape, self.isOutline, isWithinBlock) = ([], isOutline, true)
    let y = block()
    let operations = tape
    (tape, self.isOutline, isWithinBlock) = (outer, false, false)
    return (y, operations)
  }
}
