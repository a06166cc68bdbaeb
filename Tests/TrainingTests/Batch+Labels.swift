// The classes of a batch, for models of tests.

import Layers
import Models

extension Batch {
  /// The class of each image; each must have one.
  var labels: [Int] {
    conditions.map {
      guard case .label(let label) = $0 else { preconditionFailure("Each image needs a class.") }
      return label
    }
  }
}
