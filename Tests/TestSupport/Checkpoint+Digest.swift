// The checksum of all of a checkpoint but its provenance, by which equal runs are compared.

import HDF5
import Storage

extension Checkpoint {
  /// A checksum over every object of a checkpoint outside `/provenance`.
  ///
  /// It covers paths, types, shapes, values and attributes. Two runs that promise equal results
  /// must give equal digests; `h5diff --exclude-path /provenance` compares the same.
  ///
  /// - Returns: 32 hexadecimal digits.
  public static func contentDigest(path: String) throws -> String {
    try verify(path: path)
    var hash = ContentHash()
    try add(File.open(path).root(), to: &hash, skipping: "provenance")
    return hash.hexadecimal()
  }

  /// Adds a group's attributes and, in alphabetical order, what is in it.
  private static func add(
    _ group: borrowing Group, to hash: inout ContentHash, skipping skipped: String? = nil
  ) throws(HDF5Error) {
    hash.update(group.place.object)
    try addAttributes(of: group, to: &hash)
    for name in try group.names() where name != skipped {
      switch try group.kind(of: name) {
      case .group: try add(group.group(name), to: &hash)
      case .dataset: try add(group.dataset(name), to: &hash)
      case .other, nil:
        preconditionFailure("A checkpoint holds \(name), which is no dataset or group.")
      }
    }
  }

  private static func add(
    _ dataset: borrowing Dataset, to hash: inout ContentHash
  ) throws(HDF5Error) {
    hash.update("\(dataset.place.object) \(dataset.elementType) \(dataset.shape)")
    try addAttributes(of: dataset, to: &hash)
    switch dataset.elementType {
    case .float(bytes: 4):
      try dataset.values(as: Float.self).withUnsafeBytes { hash.update($0) }
    case .float:
      try dataset.values(as: Double.self).withUnsafeBytes { hash.update($0) }
    case .integer:
      try dataset.values(as: Int64.self).withUnsafeBytes { hash.update($0) }
    case .string:
      for string in try dataset.strings() { hash.update(string) }
    case .truth, .other:
      preconditionFailure("A checkpoint holds \(dataset.elementType).")
    }
  }

  private static func addAttributes<Object: HDF5Object & ~Copyable>(
    of object: borrowing Object, to hash: inout ContentHash
  ) throws(HDF5Error) {
    for name in try object.attributeNames() {
      guard let value = try object.attribute(name) else { continue }
      hash.update("@\(name) \(value)")
    }
  }
}
