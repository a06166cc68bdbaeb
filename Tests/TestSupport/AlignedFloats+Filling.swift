// Buffers that hold a function of the index.

import Tensors

extension AlignedFloats {
  /// Sets elements to a function of their index.
  ///
  /// - Parameters:
  ///   - range: The elements.
  ///   - value: Gives the value of an element.
  public func fill(_ range: Range<Int>, _ value: (Int) -> Float) {
    withElements { elements in
      for i in range { elements[i] = value(i) }
    }
  }

  /// A buffer of a function of the index.
  ///
  /// - Parameters:
  ///   - count: The number of elements.
  ///   - value: Gives the value of an element.
  public convenience init(count: Int, _ value: (Int) -> Float) {
    self.init(count: count)
    fill(0..<count, value)
  }
}
