// A loss as one sum over scalars, with or without its derivative.

/// Adds the values of a term over the scalars of an image, from the first to the last.
///
/// One body computes the value and the derivative with respect to the raw output. Where nobody
/// wants the derivative, `slope` does nothing, and what computes it goes.
///
/// - Parameters:
///   - count: d.
///   - term: The value and the derivative of one scalar.
///   - slope: Takes the derivatives.
/// - Returns: The sum of the values.
@inline(__always)
func sum(
  _ count: Int, _ term: (_ i: Int) -> (value: Double, slope: Double),
  slope: (_ i: Int, _ value: Double) -> Void
) -> Double {
  var total = 0.0
  for i in 0..<count {
    let (value, derivative) = term(i)
    total += value
    slope(i, derivative)
  }
  return total
}
