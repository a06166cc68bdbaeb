// The one addition of gradients, for the workers of a rank and for the ranks.

/// Adds a buffer to another one of the same length.
///
/// - Parameters:
///   - source: What is added.
///   - destination: What it is added to, element by element.
func add(
  _ source: UnsafeBufferPointer<Float>, to destination: UnsafeMutableBufferPointer<Float>
) {
  precondition(source.count == destination.count, "Only buffers of equal length can be added.")
  guard let from = source.baseAddress, let into = destination.baseAddress else { return }
  for i in 0..<source.count { into[i] += from[i] }
}
