// Files whose tensors come piece by piece.

import Foundation
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct TensorFileTests {
  private let folder = try! TemporaryFolder()
  private var path: String { folder.file("a.h5") }

  /// A checkpoint with tensors of 1 to 300,000 elements, and all its elements in the order of the file.
  private func checkpoint() -> (header: Checkpoint, elements: [Float]) {
    var layout = ParameterLayout()
    for (i, shape) in [[1], [3, 5], [300_000], [2], [7, 11, 13]].enumerated() {
      layout.append("block/\(i)/W", shape: shape)
    }
    let header = Checkpoint(
      layout: layout, model: [], ema: [], firstMoment: [], secondMoment: [],
      progress: .init(step: 3, imagesSeen: 12, epochs: [0, 1], seed: 9, shards: 2, loss: 0.5),
      configuration: "steps: 5\n", provenance: ["host": "here"])
    return (header, (0..<6 * layout.count).map { Float($0 % 1013) / 8 - 60 })
  }

  /// Writes the elements in pieces whose lengths repeat.
  private func write(_ lengths: [Int]) throws {
    let (header, elements) = checkpoint()
    let file = try header.file(at: path, averages: [0.2, 0.1])
    var (start, number) = (0, 0)
    elements.withUnsafeBufferPointer { all in
      while start < all.count {
        let end = min(all.count, start + lengths[number % lengths.count])
        file.append(UnsafeBufferPointer(rebasing: all[start..<end]))
        (start, number) = (end, number + 1)
      }
    }
    #expect(try folder.names().count == 1, "Nothing but the temporary file is there yet.")
    try file.finish()
  }

  @Test(arguments: [[Int.max / 2], [1 << 18], [1, 700, 262_143, 0, 5], [99_991]])
  func piecesLeaveNoTrace(lengths: [Int]) throws {
    try write(lengths)
    let found = try Checkpoint.read(path: path)
    var (expected, elements) = checkpoint()
    let count = expected.layout.count
    for buffer in [\Checkpoint.model, \.ema, \.firstMoment, \.secondMoment] {
      expected[keyPath: buffer] = Array(elements.prefix(count))
      elements.removeFirst(count)
    }
    expected.averages = [0.1: Array(elements.prefix(count)), 0.2: Array(elements.suffix(count))]
    #expect(found == expected)
    // The same bytes as from whole buffers.
    #expect(try Array(Data(contentsOf: URL(fileURLWithPath: path))) == expected.encoded())
    #expect(try folder.names() == ["a.h5"])
  }

  @Test(arguments: [0, 1, 15, 16, 300_015, 300_018, 301_018])
  func anElementThatIsNoneEndsTheFile(place: Int) throws {
    try Data("old".utf8).write(to: URL(fileURLWithPath: path))
    var (header, elements) = checkpoint()
    elements[place + header.layout.count] = .infinity
    let file = try header.file(at: path, averages: [0.1, 0.2])
    elements.withUnsafeBufferPointer { file.append($0) }
    let error = #expect(throws: StorageError.self) { try file.finish() }
    let name = header.layout.entries.first { $0.range.contains(place) }!.name
    #expect(error?.reason == "is not written: the tensor /average/\(name) is not finite")
    #expect(try folder.names() == ["a.h5"])
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("old".utf8))
  }

  @Test func aFileThatIsNotFinishedLeavesNothing() throws {
    try Data("old".utf8).write(to: URL(fileURLWithPath: path))
    do {
      let (header, elements) = checkpoint()
      let file = try header.file(at: path, averages: [])
      elements[..<1000].withUnsafeBufferPointer { file.append($0) }
      #expect(try folder.names().count == 2)
    }
    #expect(try folder.names() == ["a.h5"])
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("old".utf8))
  }

  /// The first fault is the one that is told, and its room is free at once.
  @Test func aFaultIsKept() throws {
    let (header, elements) = checkpoint()
    let file = try header.file(at: path, averages: [])
    file.fail(.inputOutput(path: path, reason: "one"))
    #expect(try folder.names() == [])
    elements[..<1000].withUnsafeBufferPointer { file.append($0) }
    file.fail(.inputOutput(path: path, reason: "two"))
    #expect(throws: StorageError.inputOutput(path: path, reason: "one")) { try file.finish() }
  }

  @Test func aFolderThatIsNotThereIsRefused() throws {
    let error = #expect(throws: StorageError.self) {
      _ = try checkpoint().header.file(at: folder.file("no/a.h5"), averages: [])
    }
    guard case .cannotCreate = error else {
      Issue.record("\(error as Any)")
      return
    }
  }
}
