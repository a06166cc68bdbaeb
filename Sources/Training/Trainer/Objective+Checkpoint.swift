// What a model keeps beside its weights, out of a checkpoint and to all ranks.

import MPI
import Models
import Storage
import Tensors

extension Objective {
  /// Requires that the state in a checkpoint has the names and the lengths of this model's.
  ///
  /// - Throws: `StorageError.badData`.
  package func requireState(of checkpoint: Checkpoint, path: String) throws(StorageError) {
    let (own, found) = (state.mapValues(\.count), checkpoint.state.mapValues(\.count))
    guard let name = Set(own.keys).union(found.keys).sorted().first(where: { own[$0] != found[$0] })
    else { return }
    let fault =
      switch (found[name], own[name]) {
      case (nil, _): "is missing"
      case (_, nil): "is nothing that this model keeps"
      case (let found?, let own?): "has the length \(found), not \(own)"
      }
    throw .badData(path: path, reason: "/state/\(name) \(fault)")
  }
}

extension Checkpoint {
  /// The state of the checkpoint that rank 0 has read, on all ranks; collective.
  ///
  /// - Parameter checkpoint: On rank 0 the checkpoint, nil for none; ignored elsewhere.
  static func shareState(
    _ checkpoint: Checkpoint?, _ communicator: Communicator
  ) throws(MPIError) -> [String: [Double]] {
    try share(checkpoint?.state ?? [:], communicator)
  }

  /// The tables of the model's facts, on all ranks; collective.
  ///
  /// - Parameter checkpoint: On rank 0 the checkpoint, nil for none; ignored elsewhere.
  /// - Returns: The facts without their texts; nil where the checkpoint has none.
  static func shareFacts(
    _ checkpoint: Checkpoint?, _ communicator: Communicator
  ) throws(MPIError) -> ModelFacts? {
    let facts = checkpoint?.facts
    let name = try communicator.broadcast(facts?.name ?? "", from: 0)
    let tables = try share(facts?.tables ?? [:], communicator)
    return name.isEmpty ? nil : ModelFacts(name: name, texts: [:], tables: tables)
  }

  /// Vectors of rank 0, by their names, on all ranks; collective.
  static func share(
    _ vectors: [String: [Double]], _ communicator: Communicator
  ) throws(MPIError) -> [String: [Double]] {
    let own = vectors.sorted { $0.key < $1.key }
    var shared: [String: [Double]] = [:]
    for i in 0..<(try communicator.broadcast([own.count], from: 0)[0]) {
      let mine = i < own.count ? own[i] : (key: "", value: [])
      let name = try communicator.broadcast(mine.key, from: 0)
      shared[name] = try communicator.broadcast(mine.value, from: 0)
    }
    return shared
  }
}
