// The images of one rank as network inputs: floats in [−1, 1], channels last.

import Synchronization

/// Reads images of a contiguous part of a dataset, from memory where it fits.
///
/// Reading is safe from several threads: from memory they do not meet, and reads from the file wait
/// for each other.
public final class ImageReader: Sendable {
  /// The dataset that is read.
  public let dataset: ImageDataset
  /// The images that may be read.
  public let range: Range<Int>
  /// Whether the images are in memory.
  public var isPreloaded: Bool { pixels != nil }

  /// The images of `range`, channels last, in the dataset's element type; nil to read from the
  /// file.
  private let pixels: PixelMemory?
  private let file: Mutex<OpenImages?>
  private let table: [Float]

  /// Opens the images and, where they fit, reads and checks them all.
  ///
  /// - Parameters:
  ///   - dataset: The dataset.
  ///   - range: The images that will be asked for.
  ///   - memoryLimit: The most bytes of pixels to keep in memory, in the file's element type.
  public init(
    _ dataset: ImageDataset, range: Range<Int>, memoryLimit: Int = 1 << 30
  ) throws(StorageError) {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= dataset.count,
      "The range must lie in the dataset.")
    self.dataset = dataset
    self.range = range
    table = dataset.levels.map { PixelFormat.table(levels: $0) } ?? []
    var open = try OpenImages.open(dataset, memoryLimit: memoryLimit)
    let (bytes, overflow) = range.count.multipliedReportingOverflow(
      by: dataset.shape.count * dataset.format.bytes)
    if overflow || bytes > memoryLimit {
      pixels = nil
      file = Mutex(open)
    } else {
      let memory = PixelMemory(bytes: bytes)
      try open.read(range, into: memory.bytes)
      pixels = memory
      file = Mutex(nil)
    }
  }

  /// Writes images as floats in [−1, 1].
  ///
  /// - Parameters:
  ///   - indices: The images, as indices of the whole dataset that lie in `range`.
  ///   - destination: Memory for indices.count × H × W × C floats.
  public func read(
    _ indices: [Int], into destination: UnsafeMutablePointer<Float>
  ) throws(StorageError) {
    precondition(
      indices.allSatisfy { range.contains($0) }, "The images must lie in the reader's range.")
    let count = dataset.shape.count
    let imageBytes = count * dataset.format.bytes
    if let pixels {
      for (position, index) in indices.enumerated() {
        let start = (index - range.lowerBound) * imageBytes
        decode(
          UnsafeRawBufferPointer(rebasing: pixels.bytes[start..<(start + imageBytes)]),
          into: destination + position * count)
      }
      return
    }
    let failure = file.withLock { file -> StorageError? in
      readRuns(indices, from: &file!, into: destination)
    }
    if let failure { throw failure }
  }

  /// Reads runs of neighbouring images, each with one call of the library.
  private func readRuns(
    _ indices: [Int], from file: inout OpenImages, into destination: UnsafeMutablePointer<Float>
  ) -> StorageError? {
    let count = dataset.shape.count
    let imageBytes = count * dataset.format.bytes
    let buffer = UnsafeMutableRawBufferPointer.allocate(
      byteCount: indices.count * imageBytes, alignment: 16)
    defer { buffer.deallocate() }
    var first = 0
    while first < indices.count {
      var last = first + 1
      while last < indices.count, indices[last] == indices[last - 1] + 1 { last += 1 }
      let run = UnsafeMutableRawBufferPointer(
        rebasing: buffer[(first * imageBytes)..<(last * imageBytes)])
      do throws(StorageError) {
        try file.read(indices[first]..<(indices[last - 1] + 1), into: run)
      } catch {
        return error
      }
      first = last
    }
    decode(UnsafeRawBufferPointer(buffer), into: destination)
    return nil
  }

  /// Converts checked pixels to [−1, 1].
  private func decode(
    _ bytes: UnsafeRawBufferPointer, into destination: UnsafeMutablePointer<Float>
  ) {
    switch dataset.format {
    case .levels where dataset.format.element == .uint16:
      table.withUnsafeBufferPointer { table in
        for (position, value) in bytes.assumingMemoryBound(to: UInt16.self).enumerated() {
          destination[position] = table[Int(UInt16(littleEndian: value))]
        }
      }
    case .levels:
      table.withUnsafeBufferPointer { table in
        for (position, value) in bytes.enumerated() { destination[position] = table[Int(value)] }
      }
    case .range(let range):
      let scale = 2 / (range.upperBound - range.lowerBound)
      for (position, value) in bytes.assumingMemoryBound(to: Float.self).enumerated() {
        destination[position] = Float((Double(value) - range.lowerBound) * scale - 1)
      }
    }
  }
}

/// Memory that is filled once and then only read.
private final class PixelMemory: @unchecked Sendable {
  let bytes: UnsafeMutableRawBufferPointer

  init(bytes count: Int) {
    bytes = .allocate(byteCount: count, alignment: 16)
  }

  deinit {
    bytes.deallocate()
  }
}
