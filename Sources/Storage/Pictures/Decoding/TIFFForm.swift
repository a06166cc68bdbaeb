// How the values of a page of a TIFF file lie in it.

#if canImport(CTIFF)
  import CTIFF
  import Tensors

  /// What the tags of a page declare, as far as it decides on how the page is read.
  struct TIFFForm {
    let width: Int
    let height: Int
    /// Bits of a value: 8, 16, 32 or 64.
    let bits: Int
    /// Values of a pixel in the file: its colours, and perhaps its opacity.
    let stored: Int
    /// Values of a pixel of the picture: 1 or 3; of a palette 3.
    let channels: Int
    let isPalette: Bool
    private let format: Int
    private let isWhiteZero: Bool
    private let isSeparate: Bool
    private let isTiled: Bool
    private let blockWidth: Int
    private let blockHeight: Int

    /// The bytes of a row of pixels.
    var row: Int { width * stored * bits / 8 }

    /// Looks at the tags of the page in hand.
    ///
    /// - Parameter size: The bytes of the file.
    /// - Returns: Why the page is not read, where it is not.
    static func make(_ file: OpaquePointer, size: Int) -> Result<TIFFForm, StorageErrorReason> {
      func short(_ tag: Int32, _ otherwise: UInt16) -> Int {
        Int(CTIFF_short(file, UInt32(tag), otherwise))
      }
      func long(_ tag: Int32) -> Int { Int(CTIFF_long(file, UInt32(tag), 0)) }
      func fail(_ reason: String) -> Result<TIFFForm, StorageErrorReason> {
        .failure(StorageErrorReason(reason))
      }
      let (width, height) = (long(TIFFTAG_IMAGEWIDTH), long(TIFFTAG_IMAGELENGTH))
      let compression = short(TIFFTAG_COMPRESSION, UInt16(COMPRESSION_NONE))
      let isDense = [COMPRESSION_LZMA, COMPRESSION_ZSTD].contains(Int32(compression))
      if let fault = PictureLimits.fault(
        height: height, width: width, packed: size, ratio: isDense ? 1 << 16 : 1500)
      {
        return fail(fault)
      }
      // int TIFFIsCODECConfigured(uint16_t scheme);
      guard TIFFIsCODECConfigured(UInt16(compression)) != 0 else {
        return fail("is compressed in a way (\(compression)) that libtiff does not read here")
      }
      let bits = short(TIFFTAG_BITSPERSAMPLE, 1)
      let format = short(TIFFTAG_SAMPLEFORMAT, UInt16(SAMPLEFORMAT_UINT))
      let isFloat = format == Int(SAMPLEFORMAT_IEEEFP)
      guard isFloat ? [32, 64].contains(bits) : [8, 16, 32, 64].contains(bits),
        [SAMPLEFORMAT_UINT, SAMPLEFORMAT_INT, SAMPLEFORMAT_IEEEFP, SAMPLEFORMAT_VOID]
          .contains(Int32(format))
      else {
        return fail(
          "has \(bits) bits a value\(isFloat ? ", floating-point" : ""); read are 8, 16, 32 and 64 "
            + "of whole numbers, and 32 and 64 of others")
      }
      let photometric = Int32(short(TIFFTAG_PHOTOMETRIC, UInt16(PHOTOMETRIC_MINISBLACK)))
      let colours: Int
      switch photometric {
      case PHOTOMETRIC_MINISBLACK: colours = 1
      case PHOTOMETRIC_MINISWHITE where bits <= 16 && format == Int(SAMPLEFORMAT_UINT): colours = 1
      case PHOTOMETRIC_PALETTE where bits == 8: colours = 1
      case PHOTOMETRIC_RGB: colours = 3
      case PHOTOMETRIC_YCBCR where compression == Int(COMPRESSION_JPEG) && bits == 8:
        guard CTIFF_decodeToRGB(file) != 0 else { return fail("has colours that are not read") }
        colours = 3
      default:
        return fail("has colours of a kind (\(photometric)) that is not read; convert it to RGB")
      }
      let stored = short(TIFFTAG_SAMPLESPERPIXEL, 1)
      var extra: UInt16 = 0
      let extras = Int(CTIFF_extraSamples(file, &extra))
      let hasAlpha =
        stored == colours + 1 && extras == 1 && Int32(extra) != EXTRASAMPLE_UNSPECIFIED
        && bits <= 16
      guard stored == colours || hasAlpha else {
        return fail("has \(stored) values a pixel; read are 1 (grey) and 3 (colour)")
      }
      let isTiled = TIFFIsTiled(file) != 0
      let blockWidth = isTiled ? long(TIFFTAG_TILEWIDTH) : width
      let rows = isTiled ? long(TIFFTAG_TILELENGTH) : long(TIFFTAG_ROWSPERSTRIP)
      let blockHeight = isTiled ? rows : min(rows, height)
      let isSeparate =
        short(TIFFTAG_PLANARCONFIG, UInt16(PLANARCONFIG_CONTIG)) == Int(PLANARCONFIG_SEPARATE)
        && stored > 1
      let form = TIFFForm(
        width: width, height: height, bits: bits, stored: stored,
        channels: photometric == PHOTOMETRIC_PALETTE ? 3 : colours,
        isPalette: photometric == PHOTOMETRIC_PALETTE, format: format,
        isWhiteZero: photometric == PHOTOMETRIC_MINISWHITE, isSeparate: isSeparate,
        isTiled: isTiled, blockWidth: blockWidth, blockHeight: blockHeight)
      // What libtiff is going to write for a block must be what is made room for.
      // uint64_t TIFFTileSize64(TIFF *tif); uint64_t TIFFScanlineSize64(TIFF *tif);
      guard blockWidth > 0, blockHeight > 0, blockWidth <= 1 << 16 || !isTiled,
        blockHeight <= 1 << 16 || !isTiled,
        form.blockBytes <= 1 << 26 || !isTiled,
        isTiled
          ? TIFFTileSize64(file) == UInt64(form.blockBytes)
          : TIFFScanlineSize64(file) == UInt64(form.blockRow)
      else { return fail("is divided into parts of an impossible size: it is damaged") }
      return .success(form)
    }

    /// The values of a pixel that are together in a block.
    private var together: Int { isSeparate ? 1 : stored }
    private var blockRow: Int { blockWidth * together * bits / 8 }
    private var blockBytes: Int { blockRow * blockHeight }

    /// Decodes all blocks into rows of pixels; false where libtiff says no.
    func isRead(from file: OpaquePointer, into rows: UnsafeMutableRawBufferPointer) -> Bool {
      let (across, down) = (
        (width + blockWidth - 1) / blockWidth, (height + blockHeight - 1) / blockHeight
      )
      // Whole strips of rows are decoded where they belong, other blocks beside.
      let isDirect = !isTiled && !isSeparate
      let block = UnsafeMutableRawBufferPointer.allocate(
        byteCount: isDirect ? 0 : min(blockBytes, height * blockRow + blockBytes), alignment: 16)
      defer { block.deallocate() }
      for plane in 0..<(isSeparate ? stored : 1) {
        for y in 0..<down {
          for x in 0..<across {
            let index = UInt32(truncatingIfNeeded: (plane * down + y) * across + x)
            let lines = min(blockHeight, height - y * blockHeight)
            let (direct, size) = (
              Int64(lines * row), Int64(isTiled ? blockBytes : lines * blockRow)
            )
            if isDirect {
              // tmsize_t TIFFReadEncodedStrip(TIFF *tif, uint32_t strip, void *buf, tmsize_t size);
              let start = rows.baseAddress! + y * blockHeight * row
              guard TIFFReadEncodedStrip(file, index, start, direct) == direct else { return false }
              continue
            }
            // tmsize_t TIFFReadEncodedTile(TIFF *tif, uint32_t tile, void *buf, tmsize_t size);
            let got =
              isTiled
              ? TIFFReadEncodedTile(file, index, block.baseAddress, size)
              : TIFFReadEncodedStrip(file, index, block.baseAddress, size)
            guard got == size else { return false }
            copy(
              block, to: rows, plane: plane, row: y * blockHeight, column: x * blockWidth,
              lines: lines)
          }
        }
      }
      return true
    }

    /// Copies a block to its place.
    private func copy(
      _ block: UnsafeMutableRawBufferPointer, to rows: UnsafeMutableRawBufferPointer, plane: Int,
      row first: Int, column: Int, lines: Int
    ) {
      let (value, pixel) = (bits / 8, stored * bits / 8)
      let columns = min(blockWidth, width - column)
      for line in 0..<lines {
        let from = block.baseAddress! + line * blockRow
        let to = rows.baseAddress! + (first + line) * row + column * pixel
        if !isSeparate {
          to.copyMemory(from: from, byteCount: columns * pixel)
        } else {
          for i in 0..<columns {
            (to + i * pixel + plane * value).copyMemory(from: from + i * value, byteCount: value)
          }
        }
      }
    }

    /// The colours of 8-bit places in the page's palette; nil where there is none.
    func colours(of places: [UInt8], in file: OpaquePointer) -> [UInt8]? {
      var (red, green, blue):
        (
          UnsafeMutablePointer<UInt16>?, UnsafeMutablePointer<UInt16>?,
          UnsafeMutablePointer<UInt16>?
        ) = (nil, nil, nil)
      guard CTIFF_palette(file, &red, &green, &blue) != 0, let red, let green, let blue else {
        return nil
      }
      return places.flatMap { place in
        [red, green, blue].map { UInt8($0[Int(place)] >> 8) }
      }
    }

    /// The picture whose values are these bytes, in this machine's byte order.
    func raster(of bytes: [UInt8], path: String) throws(StorageError) -> Raster {
      let shape = ImageShape(height: height, width: width, channels: channels)
      let hasAlpha = !isPalette && stored > channels
      func values<Value: BitwiseCopyable>(_ type: Value.Type) -> [Value] {
        bytes.withUnsafeBytes { Array($0.bindMemory(to: type)) }
      }
      func floats<Value: BitwiseCopyable>(
        _ type: Value.Type, _ convert: (Value) -> Float
      ) -> Raster.Samples {
        .float(bytes.withUnsafeBytes { $0.bindMemory(to: type).map(convert) })
      }
      let samples: Raster.Samples
      switch (Int32(format), bits) {
      case (SAMPLEFORMAT_INT, 8): samples = floats(Int8.self) { Float($0) }
      case (SAMPLEFORMAT_INT, 16): samples = floats(Int16.self) { Float($0) }
      case (SAMPLEFORMAT_INT, 32): samples = floats(Int32.self) { Float($0) }
      case (SAMPLEFORMAT_INT, _): samples = floats(Int64.self) { Float($0) }
      case (SAMPLEFORMAT_IEEEFP, 32): samples = floats(Float.self) { $0 }
      case (SAMPLEFORMAT_IEEEFP, _): samples = floats(Double.self) { Float($0) }
      case (_, 8):
        let all = isWhiteZero ? bytes.map { 255 - $0 } : bytes
        samples = .uint8(
          hasAlpha ? try withoutAlpha(all, shape, opaque: .max, path: path) : all)
      case (_, 16):
        let all = isWhiteZero ? values(UInt16.self).map { .max - $0 } : values(UInt16.self)
        samples = .uint16(
          hasAlpha ? try withoutAlpha(all, shape, opaque: .max, path: path) : all)
      case (_, 32): samples = floats(UInt32.self) { Float($0) }
      default: samples = floats(UInt64.self) { Float($0) }
      }
      if hasAlpha, case .float = samples {
        throw .badData(path: path, reason: "has an opacity that is no unsigned number; remove it")
      }
      return Raster(
        shape: shape, samples: samples, isWhole: Int32(format) != SAMPLEFORMAT_IEEEFP)
    }
  }
#endif
