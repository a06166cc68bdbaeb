// What an evaluation has done so far, so that it can go on after an end that nobody wanted.

import HDF5

/// The numbers of the images that are done, beside what they are the numbers of.
public struct UnfinishedEvaluation: Equatable, Sendable {
  /// Everything that decides on the numbers, as a text: only an equal evaluation goes on from here.
  public let identity: String
  /// How many numbers an image has.
  public let width: Int
  /// The numbers, those of the first image first.
  public let numbers: [Double]

  /// Numbers of some images.
  public init(identity: String, width: Int, numbers: [Double]) {
    precondition(numbers.count % width == 0, "Each image has all its numbers.")
    (self.identity, self.width, self.numbers) = (identity, width, numbers)
  }

  /// Reads what has been done.
  ///
  /// - Throws: `.badData` for a file of another kind or another evaluation.
  public static func read(
    path: String, identity: String, width: Int
  ) throws(StorageError) -> UnfinishedEvaluation {
    _ = try requireFile(path, role: "an unfinished evaluation")
    guard isHDF5(path) else { throw .badData(path: path, reason: "is not an HDF5 file") }
    try ChildCheck.require(path, .evaluation)
    let (found, shape, numbers) = try contents(of: path)
    guard found == identity, shape.count == 2, shape[1] == width else {
      throw .badData(
        path: path,
        reason: "was begun with another checkpoint, other images or other options; repeat these, "
          + "or remove it to begin anew")
    }
    return UnfinishedEvaluation(identity: identity, width: width, numbers: numbers)
  }

  /// What is in a file, of whatever evaluation.
  static func contents(
    of path: String
  ) throws(StorageError) -> (identity: String?, shape: [Int], numbers: [Double]) {
    try reading(path) { () throws(HDF5Error) -> (String?, [Int], [Double]) in
      let root = try File.open(path).root()
      try FileFormat.unfinishedEvaluation.check(root, isRequired: true)
      let dataset = try root.dataset("numbers")
      let numbers = try dataset.values(as: Double.self)
      guard try root.string("hash") == Self.hash(numbers) else {
        throw .refused(place: root.place, reason: "is damaged; remove it to begin anew")
      }
      return (try root.string("identity"), dataset.shape, numbers)
    }
  }

  /// The checksum of the numbers.
  private static func hash(_ numbers: [Double]) -> String {
    var hash = ContentHash()
    numbers.withUnsafeBytes { hash.update($0) }
    return hash.hexadecimal()
  }

  /// Removes the file, if it is there, once the results are safe.
  ///
  /// - Throws: `.inputOutput`.
  public static func remove(path: String) throws(StorageError) { try removeFile(path) }

  /// Writes what has been done; the old file stays until the new one is durable.
  ///
  /// - Throws: `.cannotCreate` and `.inputOutput` as `AtomicFile.write`.
  public func write(to path: String) throws(StorageError) {
    let image = try writing(path) { () throws(HDF5Error) -> FileImage in
      let file = try File.createInMemory(label: path, increment: 8 * numbers.count + (1 << 16))
      let root = try file.root()
      try FileFormat.unfinishedEvaluation.write(to: root)
      try root.setAttribute("identity", .string(identity))
      try root.setAttribute("hash", .string(Self.hash(numbers)))
      try root.write("numbers", numbers, shape: [numbers.count / width, width])
      try root.close()
      return try file.finish()
    }
    try image.withBytes { (bytes) throws(StorageError) in
      try AtomicFile.write([bytes], to: path)
    }
  }
}
