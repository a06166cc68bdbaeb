// Arrays in HDF5 files of any program: instruments, simulations, MATLAB, other trainers.

import Foundation
import HDF5
import Synchronization
import Tensors

/// What a user says of arrays that are no datasets of this project.
public struct ArrayOptions: Sendable {
  /// The path of the dataset in each file; nil for the only one that may hold images.
  public var dataset: String?
  /// The path of the classes of the images; nil where there are none.
  public var labels: String?
  /// The order of the axes of four extents; nil where they leave no doubt.
  public var layout: ArrayLayout?
  /// Which numbers become black and white.
  public var range = ValueRange.automatic
  /// The grey levels; nil: by the numbers.
  public var levels: Int?

  /// Nothing said.
  public init() {}
}

extension ImportSource {
  /// The images of arrays (H, W), (N, H, W), (N, H, W, C) or (N, C, H, W), of any integer or float type.
  ///
  /// Files that hold pieces of a virtual dataset of another one are read as that dataset says, and not by
  /// themselves. The attributes of the first dataset are kept.
  ///
  /// - Parameter files: The files, whose images follow each other.
  /// - Throws: `StorageError` for the first thing that is missing or does not fit.
  public static func hdf5(
    files: [String], _ options: ArrayOptions
  ) throws -> ImportSource {
    precondition(!files.isEmpty, "An import reads files.")
    var arrays: [StoredArray] = []
    var used: Set<String> = []
    for path in files where !used.contains(path) {
      let array = try StoredArray(path: path, dataset: options.dataset, files: files)
      used.formUnion(array.sources)
      arrays.append(array)
    }
    arrays.removeAll { used.contains($0.path) }
    guard let first = arrays.first else {
      throw StorageError.badData(
        path: files[0], reason: "and the other files are pieces of each other")
    }
    for other in arrays.dropFirst() {
      guard other.shape.dropFirst() == first.shape.dropFirst(), other.isInteger == first.isInteger
      else {
        throw StorageError.badData(
          path: other.path,
          reason: "\(other.dataset) has images of \(Array(other.shape.dropFirst())) of "
            + "\(other.isInteger ? "whole" : "continuous") numbers where those of \(first.path) are "
            + "\(Array(first.shape.dropFirst())) of \(first.isInteger ? "whole" : "continuous") ones"
        )
      }
    }
    let (order, shape) = try axes(of: first, layout: options.layout)
    let images = ArrayImages(arrays, order, shape)
    let statistics = try ValueStatistics(
      for: options.range, channels: shape.channels, isInteger: first.isInteger
    ) { body in
      try images.forEach { numbers, _ in body(numbers) }
    }
    let scale: ValueScale
    switch ValueScale.make(
      options.range, levels: options.levels, statistics,
      isByte: arrays.allSatisfy(\.isByte))
    {
    case .success(let made): scale = made
    case .failure(let reason):
      throw StorageError.badData(path: first.path, reason: "\(first.dataset) \(reason.text)")
    }
    let labels = try labels(options.labels, of: arrays, count: images.count)
    let header = ImportedHeader(
      path: first.path, shape: shape, format: scale.format, count: images.count,
      hasLabels: labels != nil, classNames: nil,
      suggestedName: suggestedName(for: first.path))
    let clipped = Mutex(0)
    var source = ImportSource(header: header) { sink in
      var scale = scale
      try images.forEach { numbers, range in
        try sink(
          scale.encode(numbers, channels: shape.channels), labels.map { Array($0[range]) })
      }
      clipped.withLock { $0 = scale.clipped }
    }
    source.origins = first.attributes.merging([
      "files": .strings(
        // Their names alone: equal files give equal datasets, wherever they are.
        arrays.prefix(100).map { URL(fileURLWithPath: $0.path).lastPathComponent }),
      "dataset": .string(first.dataset),
    ]) { $1 }
    if let ranges = scale.channelRanges {
      source.origins["channel_ranges"] = .doubles(
        ranges.flatMap { [$0.lowerBound, $0.upperBound] })
    }
    source.notes = {
      let (all, count) = (images.count * shape.count, clipped.withLock { $0 })
      let (least, largest) = (statistics.extremes.lowerBound, statistics.extremes.upperBound)
      return [
        String(format: "The numbers are %.6g … %.6g; ", least, largest)
          + (count == 0
            ? "none is clipped." : "\(count) of \(all) are beyond the range, and clipped.")
      ]
    }
    return source
  }

  /// The order of an array's axes, and the extents of its images.
  private static func axes(
    of array: StoredArray, layout: ArrayLayout?
  ) throws(StorageError) -> (AxisOrder, ImageShape) {
    var extents = array.shape
    let order: AxisOrder
    if extents.count == 3 {
      (order, extents) = (.channelsLast, extents + [1])
    } else {
      let declared: String? =
        if case .string(let text)? = array.layout { text } else { nil }
      switch AxisOrder.determine(layout?.rawValue.uppercased() ?? declared, extents: extents) {
      case .success(let known): order = known
      case .failure where extents[1] <= 4 && extents[2] > 4 && extents[3] > 4:
        order = .channelsFirst
      case .failure:
        throw .badData(
          path: array.path,
          reason:
            "\(array.dataset) has the shape \(extents), of which any extent may count the channels; "
            + "say which with --layout nhwc or --layout nchw")
      }
    }
    let (height, width, channels) =
      order == .channelsLast
      ? (extents[1], extents[2], extents[3]) : (extents[2], extents[3], extents[1])
    guard let shape = ImageShape.checked(height: height, width: width, channels: channels) else {
      throw .badData(
        path: array.path,
        reason: "\(array.dataset) has images of \(height) × \(width) × \(channels), more than one "
          + "image of a dataset can be")
    }
    return (order, shape)
  }

  /// The classes of all images, from a dataset of each file.
  private static func labels(
    _ name: String?, of arrays: [StoredArray], count: Int
  ) throws(StorageError) -> [Int]? {
    guard let name else { return nil }
    var labels: [Int] = []
    for array in arrays {
      let own = try StoredArray.classes(array.path, dataset: name)
      guard own.count == array.shape[0] else {
        throw .badData(
          path: array.path,
          reason: "\(name) has \(own.count) classes, but \(array.dataset) \(array.shape[0]) images")
      }
      if let image = own.firstIndex(where: { $0 < 0 }) {
        throw .badData(
          path: array.path, reason: "\(name) gives image \(image) the class \(own[image])")
      }
      labels += own
    }
    return labels
  }
}

/// The images of some arrays, one after the other, channels last.
private struct ArrayImages: @unchecked Sendable {
  // Read by one thread at a time: imports are.
  private let arrays: [StoredArray]
  private let order: AxisOrder
  private let shape: ImageShape
  /// How many there are.
  let count: Int

  init(_ arrays: [StoredArray], _ order: AxisOrder, _ shape: ImageShape) {
    (self.arrays, self.order, self.shape) = (arrays, order, shape)
    count = arrays.reduce(0) { $0 + $1.shape[0] }
  }

  /// Calls with all images, some at a time, and their numbers.
  ///
  /// - Throws: `StorageError`, also for what is no number.
  func forEach(_ body: ([Double], Range<Int>) throws -> Void) throws {
    let batch = max(1, min(4096, (1 << 19) / shape.count))
    var done = 0
    for array in arrays {
      for start in stride(from: 0, to: array.shape[0], by: batch) {
        let images = start..<min(start + batch, array.shape[0])
        let stored = try array.read(images)
        if let place = stored.firstIndex(where: { !$0.isFinite }) {
          throw StorageError.badData(
            path: array.path,
            reason: "\(array.dataset): image \(images.lowerBound + place / shape.count) holds "
              + "\(stored[place]), which is no brightness; replace such numbers first")
        }
        try body(channelsLast(stored), done..<done + images.count)
        done += images.count
      }
    }
  }

  private func channelsLast(_ stored: [Double]) -> [Double] {
    guard order == .channelsFirst, shape.channels > 1 else { return stored }
    return [Double](unsafeUninitializedCapacity: stored.count) { buffer, count in
      stored.withUnsafeBufferPointer { stored in
        for start in Swift.stride(from: 0, to: stored.count, by: shape.count) {
          order.rearrange(stored.baseAddress! + start, buffer.baseAddress! + start, shape)
        }
      }
      count = stored.count
    }
  }
}
