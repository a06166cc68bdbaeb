// Classes as vectors.

import Tensors

/// A table of a vector for each class, and one for "no class" in its last row.
///
/// All rows are zero before training: a network with untrained classes says what it says without them.
struct ClassEmbedding: Sendable {
  /// The number K of classes.
  let classes: Int
  private let table: Parameter
  private let width: Int

  /// Registers `name/W` (K + 1, width).
  init(_ name: String, _ registry: inout ParameterRegistry, classes: Int, width: Int) {
    (self.classes, self.width) = (classes, width)
    table = registry.add(
      "\(name)/W", [classes + 1, width], .constant(0), decays: false, part: .conditioning)
  }

  /// The vector of each image, (n, 1, 1, width).
  func callAsFunction(_ conditioning: Conditioning, _ pass: Pass) -> Variable {
    let rows = conditioning.times.indices.map { n in
      switch conditioning.conditions.isEmpty ? .none : conditioning.conditions[n] {
      case .none: return classes
      case .label(let label):
        precondition(0..<classes ~= label, "There is no class \(label).")
        return label
      case .tokens, .encoded: preconditionFailure("This network is told classes, not captions.")
      }
    }
    return pass.lookUp(rows, in: table, width: width, shape: Shape(rows.count, 1, 1, width))
  }
}
