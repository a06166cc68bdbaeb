// What stands for a caption as a whole, and what for none.

import Tensors

/// The layer from a vector of a caption to the network's, and what stands in for "no caption": a
/// learned sequence of length 1 and a learned vector.
///
/// The vectors begin as zero: a network with untrained text says what it says without it.
struct TextHead: Sendable {
  private let nullSequence: Parameter
  private let nullPooled: Parameter
  private let pooled: LinearLayer

  /// Registers `name/null_sequence`, `name/null_pooled` and `name/pooled`.
  init(_ name: String, _ registry: inout ParameterRegistry, width: Int, outputs: Int) {
    nullSequence = registry.add(
      "\(name)/null_sequence", [width], .glorot(fanIn: 1, fanOut: 1, scale: 1),
      part: .conditioning)
    nullPooled = registry.add(
      "\(name)/null_pooled", [outputs], .constant(0), part: .conditioning)
    pooled = LinearLayer(
      "\(name)/pooled", &registry, inputs: width, outputs: outputs, scale: 0, part: .conditioning)
  }

  /// The captions of a batch.
  ///
  /// - Parameters:
  ///   - sequence: (n, 1, s, width).
  ///   - lengths: The true lengths; 0: no caption.
  ///   - summary: A vector of each caption, (n, 1, 1, width).
  func callAsFunction(
    _ sequence: Variable, lengths: [Int], summary: Variable, _ pass: Pass
  ) -> TextEncoding {
    let missing = lengths.indices.filter { lengths[$0] == 0 }
    return TextEncoding(
      sequence: pass.substitute(nullSequence, for: missing, of: sequence),
      lengths: lengths.map { max($0, 1) },
      pooled: pass.substitute(nullPooled, for: missing, of: pooled(summary, pass)))
  }
}
