// Arrays of NumPy, .npy and .npz: images of any type of numbers.

import Tensors

/// The order of the axes of an array of images.
public enum ArrayLayout: String, CaseIterable, Sendable {
  /// Images, rows, columns, channels.
  case nhwc
  /// Images, channels, rows, columns.
  case nchw
}

extension ImportSource {
  /// The images of an array (N, H, W), (N, H, W, C) or (N, C, H, W), and perhaps labels (N).
  ///
  /// Whole numbers of 0 … 65,535 keep their values (`usualLevels`); everything else becomes 32-bit floats
  /// in the range of the values. The array is read twice. One in Fortran's order is kept in memory.
  ///
  /// - Parameters:
  ///   - path: The .npy or .npz file.
  ///   - labels: A file with the labels; nil for none, or for those of `labelKey`.
  ///   - key: Which array of an .npz file has the images; nil for the only one, `images`, `arr_0` or `x`.
  ///   - labelKey: Which array of an .npz file has the labels: that of `labels`, or of `path`.
  ///   - layout: The order of the axes; nil where the extents leave no doubt.
  ///   - levels: The number of levels of whole numbers; nil for the usual ones.
  /// - Throws: `StorageError` for the first thing that is wrong.
  public static func npy(
    images path: String, labels: String? = nil, key: String? = nil, labelKey: String? = nil,
    layout: ArrayLayout? = nil, levels: Int? = nil
  ) throws(StorageError) -> ImportSource {
    precondition(PixelFormat.possibleLevels.contains(levels ?? 2), "Levels are 2 to 65,536.")
    let images = { () throws(StorageError) in
      try NumPyArray(path, key: key, defaults: ["images", "arr_0", "x"])
    }
    var array = try images()
    let header = array.header
    let axes = try ArrayAxes(header, layout, path: array.path)
    var limits = ValueLimits()
    // Of an array in Fortran's order an image is everywhere.
    var whole: [Float] = []
    try forEachPart(&array, axes) { (values, first) throws(StorageError) in
      try limits.add(values, first, axes, path)
      if header.isFortran { whole += values }
    }
    try PixelFormat.requireRange(limits.low, limits.high, path: array.path)
    // Bytes have 256 levels, whatever the largest is.
    let isByte = header.element == .unsigned(bytes: 1)
    let format = PixelFormat.ofValues(
      low: limits.low, high: limits.high, isWhole: header.element.isWhole,
      levels: levels ?? (isByte ? 256 : nil))
    if let levels, format != .levels(levels) || Int(limits.high) >= levels {
      throw .badData(
        path: array.path,
        reason: "has values of \(limits.low) … \(limits.high), which are not \(levels) levels")
    }
    let classes: [Int]?
    if labels != nil || labelKey != nil {
      var array = try NumPyArray(
        labels ?? path, key: labelKey, defaults: ["labels", "arr_1", "y"])
      classes = try array.labels(count: axes.count, images: path)
    } else {
      classes = nil
    }
    let imported = ImportedHeader(
      path: path, shape: axes.shape, format: format, count: axes.count, hasLabels: classes != nil,
      classNames: nil, suggestedName: suggestedName(for: path))
    let kept = whole
    return ImportSource(header: imported) { sink in
      func pass(_ values: [Float], _ first: Int) throws {
        let batch = first..<first + values.count / axes.shape.count
        try sink(format.stored(axes.channelsLast(values)), classes.map { Array($0[batch]) })
      }
      if header.isFortran {
        for start in stride(from: 0, to: axes.count, by: axes.together) {
          let batch = start..<min(start + axes.together, axes.count)
          try pass(axes.gathered(batch, from: kept, extents: header.extents), start)
        }
        return
      }
      var array = try images()
      guard array.header == header else {
        throw StorageError.badData(path: path, reason: "has changed while it was read")
      }
      var first = 0
      while first < axes.count {
        let count = min(axes.together, axes.count - first)
        try pass(header.floats(of: array.next(count * axes.shape.count)), first)
        first += count
      }
      try array.end()
    }
  }

  /// Reads all values once, in the order of the file, a batch of images at a time.
  private static func forEachPart(
    _ array: inout NumPyArray, _ axes: ArrayAxes,
    _ body: ([Float], _ first: Int) throws(StorageError) -> Void
  ) throws(StorageError) {
    var first = 0
    while first < axes.count {
      let count = min(axes.together, axes.count - first)
      let values = array.header.floats(of: try array.next(count * axes.shape.count))
      try body(values, first)
      first += count
    }
    try array.end()
  }
}

/// The least and the largest of the values of an array.
private struct ValueLimits {
  var (low, high) = (Float.infinity, -Float.infinity)

  mutating func add(
    _ values: [Float], _ first: Int, _ axes: ArrayAxes, _ path: String
  ) throws(StorageError) {
    for (place, value) in values.enumerated() {
      guard value.isFinite else {
        let image = axes.isFortran ? "" : " in image \(first + place / axes.shape.count)"
        throw .badData(
          path: path,
          reason: "holds the value \(value)\(image) as a 32-bit float, which is no brightness")
      }
      (low, high) = (min(low, value), max(high, value))
    }
  }
}

/// Which axis of an array is which.
private struct ArrayAxes {
  let count: Int
  let shape: ImageShape
  let isFortran: Bool
  private let isChannelsFirst: Bool

  /// The most bytes of an array in Fortran's order.
  private static let fortranLimit = 1 << 30

  init(_ header: NumPyHeader, _ layout: ArrayLayout?, path: String) throws(StorageError) {
    let extents = header.extents
    isFortran = header.isFortran && extents.count > 1
    guard extents.count == 3 || extents.count == 4, !extents.contains(0) else {
      throw .badData(
        path: path,
        reason: "has the shape \(extents); images are (N, H, W), (N, H, W, C) or (N, C, H, W)")
    }
    var order = AxisOrder.channelsLast
    if extents.count == 4 {
      switch layout {
      case .nhwc: order = .channelsLast
      case .nchw: order = .channelsFirst
      case nil:
        let isLast = try? AxisOrder.determine(nil, extents: extents).get()
        let isFirst =
          try? AxisOrder.determine(nil, extents: [extents[0], extents[2], extents[3], extents[1]])
          .get()
        guard (isLast == nil) != (isFirst == nil) else {
          throw .badData(
            path: path,
            reason: "has the shape \(extents), which leaves open where the channels are: "
              + "say --layout nhwc or --layout nchw")
        }
        order = isLast == nil ? .channelsFirst : .channelsLast
      }
    }
    isChannelsFirst = order == .channelsFirst
    let (h, w, c) =
      extents.count == 3
      ? (extents[1], extents[2], 1)
      : isChannelsFirst
        ? (extents[2], extents[3], extents[1]) : (extents[1], extents[2], extents[3])
    guard let shape = ImageShape.checked(height: h, width: w, channels: c) else {
      throw .badData(
        path: path, reason: "has images of \(h) × \(w) × \(c), too large for a dataset")
    }
    (count, self.shape) = (extents[0], shape)
    guard !isFortran || header.count <= Self.fortranLimit / 4 else {
      throw .badData(
        path: path,
        reason:
          "is in Fortran's order and larger than \(Self.fortranLimit >> 30) GiB as floats; save "
          + "numpy.ascontiguousarray of it")
    }
  }

  /// How many images are read at a time.
  var together: Int { max(1, shape.importBatch / 4) }

  /// Images in the order rows, columns, channels.
  func channelsLast(_ values: [Float]) -> [Float] {
    guard isChannelsFirst, shape.channels > 1 else { return values }
    var ordered = [Float](repeating: 0, count: values.count)
    values.withUnsafeBufferPointer { values in
      ordered.withUnsafeMutableBufferPointer { ordered in
        for start in stride(from: 0, to: values.count, by: shape.count) {
          AxisOrder.channelsFirst.rearrange(
            values.baseAddress! + start, ordered.baseAddress! + start, shape)
        }
      }
    }
    return ordered
  }

  /// Some images of an array in Fortran's order, in the order of its axes.
  func gathered(_ images: Range<Int>, from values: [Float], extents: [Int]) -> [Float] {
    var strides = [1]
    for extent in extents.dropLast() { strides.append(strides.last! * extent) }
    let (e, s) = (extents + (extents.count == 3 ? [1] : []), strides + [0])
    var gathered: [Float] = []
    gathered.reserveCapacity(images.count * shape.count)
    for n in images {
      for i in 0..<e[1] {
        for j in 0..<e[2] {
          for k in 0..<e[3] { gathered.append(values[n * s[0] + i * s[1] + j * s[2] + k * s[3]]) }
        }
      }
    }
    return gathered
  }
}
