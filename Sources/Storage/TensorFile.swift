// A file of tensors while it is written: its structure from HDF5, its elements as they come.

import Glibc
import HDF5
import Tensors

/// Writes a file with the trailer of a checkpoint, whose tensors come piece by piece; the old file stays
/// until the new one is durable.
///
/// It needs memory for the structure and for one piece, however large the tensors are, so that a job's first
/// rank can write a checkpoint while it is gathered. The bytes go to a temporary file in their order, and the
/// checksum of the trailer with them. Without `finish` nothing is left of it.
///
/// For any thread, one at a time.
public final class TensorFile: @unchecked Sendable {
  /// A tensor's place in the file.
  struct Place {
    /// What messages call it, as in `/model/head/W`.
    let name: String
    /// Its bytes of the file.
    let range: Range<Int>
  }

  /// Where the file will be.
  public let path: String
  private let structure: FileStructure
  private let places: [Place]
  private var temporary: TemporaryFile?
  private var output: Descriptor?
  private var hash = ContentHash()
  /// What has not gone to the output yet, so that the system is not called for each tensor.
  private var held: [UInt8] = []
  /// The bytes of the file that have come, the held ones among them.
  private var end = 0
  /// The tensor whose elements come next.
  private var next = 0
  /// The first fault; `finish` throws it.
  public private(set) var failure: StorageError?

  /// A file without its tensors.
  ///
  /// - Parameters:
  ///   - path: Where the file will be.
  ///   - write: Writes everything else to the root group, and gives the reserved datasets of floats in the
  ///     order in which they were created.
  /// - Throws: `.cannotCreate` where the folder does not exist or refuses.
  init(
    _ path: String, _ write: (borrowing Group) throws(HDF5Error) -> [Place]
  ) throws(StorageError) {
    self.path = path
    var places: [Place] = []
    let structure = try writing(path) { () throws(HDF5Error) -> FileStructure in
      let file = try File.createStructure(label: path)
      let root = try file.root()
      places = try write(root)
      try root.close()
      return try file.finishStructure()
    }
    precondition(
      zip(places, places.dropFirst()).allSatisfy { $0.range.upperBound <= $1.range.lowerBound }
        && places.last.map { $0.range.upperBound <= structure.count } ?? true,
      "The HDF5 library lays datasets out in the order in which they are created.")
    (self.structure, self.places) = (structure, places)
    let temporary = try TemporaryFile(for: path)
    output = try temporary.open()
    self.temporary = consume temporary
    held.reserveCapacity(Self.portion)
  }

  /// Makes the datasets of a layout's tensors in a group of their own, without their elements.
  static func reserve(
    _ name: String, _ layout: ParameterLayout, _ root: borrowing Group
  ) throws(HDF5Error) -> [Place] {
    let group = try root.createGroup(name)
    var places: [Place] = []
    for entry in layout.entries {
      let dataset = try group.createDataset(
        entry.name, of: Float.self, shape: entry.shape, layout: .reserved)
      guard let start = dataset.offset else {
        preconditionFailure("A reserved dataset has a place in its file.")
      }
      let bytes = entry.range.count * MemoryLayout<Float>.stride
      places.append(Place(name: "/\(name)/\(entry.name)", range: start..<start + bytes))
      try dataset.close()
    }
    try group.close()
    return places
  }

  /// The bytes that go to the output at once, at least.
  private static let portion = 1 << 20

  /// Takes the next elements: of the first tensors, then of those behind them.
  ///
  /// A fault is kept for `finish`, and what comes after it is ignored: the caller is in the middle of its
  /// work with other ranks.
  ///
  /// - Parameter elements: Any number of them; all together as many as the tensors have.
  public func append(_ elements: UnsafeBufferPointer<Float>) {
    guard failure == nil else { return }
    do throws(StorageError) {
      var rest = elements[...]
      while !rest.isEmpty {
        precondition(next < places.count, "A file takes the elements that it has places for.")
        let place = places[next]
        if end < place.range.lowerBound { try writeStructure(to: place.range.lowerBound) }
        let count = min(rest.count, (place.range.upperBound - end) / MemoryLayout<Float>.stride)
        let piece = UnsafeBufferPointer(rebasing: rest.prefix(count))
        guard areFinite(piece) else {
          throw .badData(
            path: path, reason: "is not written: the tensor \(place.name) is not finite")
        }
        try write(UnsafeRawBufferPointer(piece))
        rest = rest.dropFirst(count)
        if end == place.range.upperBound { next += 1 }
        if next == places.count { try seal() }
      }
    } catch {
      fail(error)
    }
  }

  /// Takes all elements of a layout's tensors.
  func append(_ elements: [Float], of layout: ParameterLayout) {
    precondition(elements.count == layout.count, "A buffer must fit the layout or be empty.")
    elements.withUnsafeBufferPointer { append($0) }
  }

  /// Leaves the file unwritten; `finish` throws the error.
  package func fail(_ error: StorageError) {
    guard failure == nil else { return }
    failure = error
    // Its room is free at once.
    output = nil
    temporary = nil
  }

  /// Writes what is behind the last tensor: a disk that is full says so before anybody waits for `finish`.
  private func seal() throws(StorageError) {
    if end < structure.count { try writeStructure(to: structure.count) }
    let trailer = CheckpointTrailer.bytes(length: end, checksum: hash.digest())
    held += trailer
    end += trailer.count
    try flush()
  }

  /// Makes the file durable and gives it its name.
  ///
  /// - Throws: The first fault: `.badData` where a tensor is not finite, so that a diverged run does not
  ///   replace its good checkpoints; `.inputOutput` where writing fails, for example on a full disk. The old
  ///   file is kept then.
  public func finish() throws(StorageError) {
    if let failure { throw failure }
    precondition(next == places.count, "A file is finished with all its tensors.")
    do throws(StorageError) {
      try closeOutput()
      try temporary.take()!.publish()
    } catch {
      fail(error)
      throw error
    }
  }

  /// Makes durable what was written.
  private func closeOutput() throws(StorageError) {
    do throws(SystemFailure) {
      let output = output.take()!
      try output.synchronize()
      try output.close()
    } catch {
      throw failed(error)
    }
  }

  private func writeStructure(to bound: Int) throws(StorageError) {
    try structure.bytes(end..<bound).withUnsafeBufferPointer { (bytes) throws(StorageError) in
      try write(UnsafeRawBufferPointer(bytes))
    }
  }

  /// Writes the next bytes of the HDF5 part.
  private func write(_ bytes: UnsafeRawBufferPointer) throws(StorageError) {
    hash.update(bytes)
    if bytes.count >= Self.portion {
      try flush()
      try put(bytes, at: end)
    } else {
      held += bytes
    }
    end += bytes.count
    if held.count >= Self.portion { try flush() }
  }

  private func flush() throws(StorageError) {
    try held.withUnsafeBufferPointer { (bytes) throws(StorageError) in
      try put(UnsafeRawBufferPointer(bytes), at: end - bytes.count)
    }
    held.removeAll(keepingCapacity: true)
  }

  private func put(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(StorageError) {
    do throws(SystemFailure) { try output!.write(bytes, at: offset) } catch { throw failed(error) }
  }

  private func failed(_ failure: SystemFailure) -> StorageError {
    .inputOutput(path: path, reason: "cannot write the file: \(failure.reason)")
  }
}
