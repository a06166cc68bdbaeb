// Pictures as images of a dataset: of one size, one number of channels and one scale.

import Tensors

extension ImportSource {
  /// The pictures of a folder, an archive, or the pages of a TIFF file.
  ///
  /// Sub-folders are classes, numbered in the order of their names, which name them; a `dataset.json`
  /// (`PictureIndex`) says classes where there is one. Files that are not pictures are passed over, but
  /// for `captions.jsonl` or `captions.txt` (`CaptionFile`); pictures of a format that is not read are
  /// refused, for leaving them out would not be noticed.
  ///
  /// The precision of the first picture is that of all: bytes are 256 levels, 16 bits 65,536. Other whole
  /// numbers keep their values where these are 0 … 65,535 (`usualLevels`); what remains, and
  /// floating-point values, are 32-bit floats in the range that they have. For the last two all pictures
  /// are read twice.
  ///
  /// - Parameters:
  ///   - path: The folder or file.
  ///   - channels: 1 turns all into grey, 3 into colour; nil takes what the first one has and refuses
  ///     a mixture.
  ///   - levels: The number of levels of whole numbers; nil for the usual ones.
  ///   - size: What they are cropped and resized to; nil refuses pictures of several sizes.
  ///   - readsCaptions: Whether a file of captions beside the pictures is read.
  /// - Throws: `StorageError` that names the first file that does not fit.
  public static func pictures(
    _ path: String, channels: Int? = nil, levels: Int? = nil, size: PictureSize? = nil,
    readsCaptions: Bool = true
  ) throws -> ImportSource {
    precondition(channels == nil || channels == 1 || channels == 3, "Channels are 1 or 3.")
    precondition(PixelFormat.possibleLevels.contains(levels ?? 2), "Levels are 2 to 65,536.")
    return try pictures(
      PictureSupply(path), channels: channels, levels: levels, size: size,
      readsCaptions: readsCaptions)
  }

  /// One picture file, as an import of a folder with nothing else would read it.
  package static func picture(_ path: String) throws -> ImportSource {
    try pictures(PictureSupply(picture: path))
  }

  private static func pictures(
    _ supply: PictureSupply, channels: Int? = nil, levels: Int? = nil, size: PictureSize? = nil,
    readsCaptions: Bool = true
  ) throws -> ImportSource {
    let path = supply.path
    if supply.needsChild { try ChildCheck.require(path, .pictures) }
    let (first, firstPath) = try supply.first()
    guard
      let shape = ImageShape.checked(
        height: size?.height ?? first.shape.height, width: size?.width ?? first.shape.width,
        channels: channels ?? first.shape.channels)
    else {
      throw StorageError.badData(
        path: firstPath, reason: "is too large for an image of a dataset; say a --size")
    }
    let frame = PictureFrame(
      shape: shape, kind: first.kind, converts: channels != nil, size: size)
    let scale = try PictureScale(supply, first, frame, levels: levels)
    let header = ImportedHeader(
      path: path, shape: shape, format: scale.format, count: supply.count,
      hasLabels: supply.labels != nil, classNames: supply.classNames,
      suggestedName: suggestedName(for: path))
    let captions = readsCaptions ? try supply.readCaptions() : nil
    return ImportSource(header: header, captions: captions, names: supply.names) { sink in
      let together = max(1, shape.importBatch / header.format.bytes)
      var (pixels, done): ([UInt8], Int) = ([], 0)
      var start = 0
      func flush() throws {
        try sink(pixels, supply.labels.map { Array($0[start..<done]) })
        pixels.removeAll(keepingCapacity: true)
        start = done
      }
      try supply.forEach { raster, path in
        pixels += try scale.bytes(of: frame.fitted(raster, path), path)
        done += 1
        if done - start == together { try flush() }
      }
      if done > start { try flush() }
    }
  }
}

/// What all pictures of an import must have in common, and are made to have.
private struct PictureFrame {
  let shape: ImageShape
  let kind: String
  let converts: Bool
  let size: PictureSize?

  /// A picture in the shape of the images.
  func fitted(_ raster: Raster, _ path: String) throws(StorageError) -> Raster {
    guard raster.kind == kind else {
      throw .badData(
        path: path,
        reason: "has \(raster.kind) where the first picture has \(kind); make them all of one kind")
    }
    guard converts || raster.shape.channels == shape.channels else {
      let (this, first) = shape.channels == 1 ? ("in colour", "grey") : ("grey", "in colour")
      throw .badData(
        path: path,
        reason: "is \(this) where the first picture is \(first); "
          + "ask for 1 or 3 channels to convert them all")
    }
    if size == nil, raster.shape.height != shape.height || raster.shape.width != shape.width {
      throw .badData(
        path: path,
        reason: "has \(raster.shape.height) × \(raster.shape.width) pixels where the first "
          + "picture has \(shape.height) × \(shape.width); make them all of one size, or say a --size"
      )
    }
    let raster = raster.converted(toChannels: shape.channels)
    guard let size, raster.shape != shape || size.crop == .none else { return raster }
    return raster.shape == shape ? raster : raster.resized(to: size)
  }
}

/// How the values of pictures become those of a dataset.
private struct PictureScale {
  let format: PixelFormat
  /// The levels that the pictures show spread over the whole scale; nil where values stay.
  private var spread: Int?

  /// Finds the scale; reads all pictures where it depends on their values.
  init(
    _ supply: PictureSupply, _ first: Raster, _ frame: PictureFrame, levels: Int?
  ) throws {
    switch first.samples {
    case .uint8, .uint16:
      let usual = if case .uint8 = first.samples { 256 } else { 1 << 16 }
      if levels == nil, frame.size == nil, let shown = supply.levels, shown < usual {
        (format, spread) = (.levels(shown), shown)
      } else {
        format = .levels(levels ?? usual)
      }
      if let levels, levels > usual {
        throw StorageError.badData(
          path: supply.path,
          reason: "has pictures of \(frame.kind), which cannot be \(levels) levels")
      }
    case .float:
      var (low, high) = (Float.infinity, -Float.infinity)
      try supply.forEach { raster, path in
        guard case .float(let values) = try frame.fitted(raster, path).samples else { return }
        for value in values {
          guard value.isFinite else {
            throw StorageError.badData(path: path, reason: "has the value \(value), no number")
          }
          (low, high) = (min(low, value), max(high, value))
        }
      }
      try PixelFormat.requireRange(low, high, path: supply.path)
      format = .ofValues(low: low, high: high, isWhole: first.isWhole, levels: levels)
    }
  }

  /// The values of a picture in the bytes of the format.
  func bytes(of raster: Raster, _ path: String) throws(StorageError) -> [UInt8] {
    switch raster.samples {
    case .uint8(let values):
      if let spread { return try unspread(values, over: spread, path) }
      return try checked(values, path)
    case .uint16(let values):
      if let spread { return try unspread(values, over: spread, path) }
      if format.bytes == 1 {
        return try checked(values.map { UInt8(clamping: $0) }, path, largest: values.max())
      }
      let stored = values.map(\.littleEndian)
      let bytes = stored.withUnsafeBytes { Array($0) }
      try check(bytes, path)
      return bytes
    case .float(let values):
      let bytes = format.stored(values)
      try check(bytes, path)
      return bytes
    }
  }

  /// The levels of which the pictures show the spread ones.
  private func unspread<Value: FixedWidthInteger>(
    _ values: [Value], over count: Int, _ path: String
  ) throws(StorageError) -> [UInt8] {
    let (top, last) = (Int(Value.max), count - 1)
    var levels: [UInt16] = []
    levels.reserveCapacity(values.count)
    for value in values.lazy.map({ Int($0) }) {
      let level = (value * last + top / 2) / top
      guard (level * top + last / 2) / last == value else {
        throw .badData(
          path: path,
          reason: "has the value \(value), none of the \(count) levels that \(PictureIndex.name) "
            + "declares; say --levels \(top + 1) to take the values as they are")
      }
      levels.append(UInt16(level).littleEndian)
    }
    return format.bytes == 1 ? levels.map { UInt8($0) } : levels.withUnsafeBytes { Array($0) }
  }

  private func checked(
    _ values: [UInt8], _ path: String, largest: UInt16? = nil
  ) throws(StorageError) -> [UInt8] {
    if let largest, case .levels(let levels) = format, Int(largest) >= levels {
      throw .badData(
        path: path, reason: "has the value \(largest), but levels are 0 … \(levels - 1)")
    }
    try check(values, path)
    return values
  }

  private func check(_ bytes: [UInt8], _ path: String) throws(StorageError) {
    let fault = bytes.withUnsafeBytes { format.fault(in: $0) }
    if let fault {
      throw .badData(path: path, reason: "has \(fault)")
    }
  }
}

extension PixelFormat {
  /// The format of values of which the ends are known.
  ///
  /// - Parameters:
  ///   - isWhole: Whether all are whole numbers: of 0 … 65,535 they are levels then.
  ///   - levels: The number of levels; nil for `ImportSource.usualLevels`.
  static func ofValues(low: Float, high: Float, isWhole: Bool, levels: Int? = nil) -> PixelFormat {
    if isWhole, low >= 0, high < 65_536 {
      return .levels(levels ?? ImportSource.usualLevels(largest: Int(high)))
    }
    // One value alone is no range: it is black.
    let end = high > low ? high : max(low + 1, low.nextUp)
    return .range(Double(low)...Double(end))
  }

  /// Refuses values that are too far apart.
  ///
  /// - Throws: `StorageError.badData`.
  static func requireRange(_ low: Float, _ high: Float, path: String) throws(StorageError) {
    guard !(high - low).isFinite else { return }
    throw .badData(
      path: path,
      reason:
        "holds values of \(low) … \(high), farther apart than 32-bit floats can be; scale them first"
    )
  }

  /// Values in the bytes of the format; what is beyond the type of a level becomes its end.
  func stored(_ values: [Float]) -> [UInt8] {
    switch element {
    case .uint8: values.map { UInt8(min(max($0, 0), 255)) }
    case .uint16:
      values.map { UInt16(min(max($0, 0), 65_535)).littleEndian }.withUnsafeBytes { Array($0) }
    case .float32: values.withUnsafeBytes { Array($0) }
    }
  }
}
