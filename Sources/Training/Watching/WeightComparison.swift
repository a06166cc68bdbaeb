// Whether all ranks have the same weights, as they must.

import MPI
import Parallel
import Storage
import Tensors

extension Trainer {
  /// Compares the weights of all ranks by a checksum; collective.
  ///
  /// Each rank receives all weights after each step. A bit that a memory, a network or a library has
  /// changed on one of them would be in its gradients ever after, and in no loss to be seen.
  ///
  /// - Returns: The ranks whose weights are not those of most ranks; of equally many, rank 0's.
  /// - Throws: `MPIError`.
  package func ranksWithOtherWeights() throws(MPIError) -> [Int] {
    let communicator = exchange.communicator
    guard communicator.size > 1 else { return [] }
    var hash = ContentHash()
    weights.withElements { hash.update(UnsafeRawBufferPointer($0)) }
    let digest = hash.digest().prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return Self.outliers(try communicator.allGather(digest))
  }

  /// The places of the values that are not the most frequent one; of equally frequent ones, the first.
  package static func outliers(_ values: [UInt64]) -> [Int] {
    let counts = Dictionary(values.map { ($0, 1) }, uniquingKeysWith: +)
    let most = counts.values.max() ?? 0
    guard let usual = values.first(where: { counts[$0] == most }) else { return [] }
    return values.indices.filter { values[$0] != usual }
  }
}
