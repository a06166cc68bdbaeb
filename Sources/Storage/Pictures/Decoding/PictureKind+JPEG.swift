// JPEG files through TurboJPEG, whose functions return their errors.

import Tensors

#if canImport(CTurboJPEG)
  import CTurboJPEG
#endif

extension PictureKind {
  /// JPEG: grey, or luminance and chrominance, which come out as red, green, blue.
  ///
  /// A rotation in the metadata (EXIF) is not applied. What the library has a warning of is refused:
  /// a file that ends too early is decoded with grey in the place of what is missing.
  static let jpeg = PictureKind(
    name: "JPEG", endings: ["jpg", "jpeg"], signatures: [[0xFF, 0xD8, 0xFF]]
  ) { (bytes, path) throws(StorageError) in
    #if canImport(CTurboJPEG)
      try JPEGReader(path: path).raster(from: bytes)
    #else
      throw withoutLibrary("JPEG", package: "libturbojpeg0-dev", path: path)
    #endif
  }
}

#if canImport(CTurboJPEG)
  /// A decoder of TurboJPEG.
  private struct JPEGReader: ~Copyable {
    private let path: String
    private let handle: tjhandle

    init(path: String) {
      // tjhandle tjInitDecompress(void);
      guard let handle = tjInitDecompress() else { fatalError("There is no memory for a picture.") }
      (self.path, self.handle) = (path, handle)
    }

    deinit {
      // int tjDestroy(tjhandle handle);
      tjDestroy(handle)
    }

    /// The picture in the bytes of a JPEG file.
    func raster(from bytes: [UInt8]) throws(StorageError) -> Raster {
      var (width, height, subsampling, space): (Int32, Int32, Int32, Int32) = (0, 0, 0, 0)
      // int tjDecompressHeader3(tjhandle handle, const unsigned char *jpegBuf, unsigned long jpegSize,
      //   int *width, int *height, int *jpegSubsamp, int *jpegColorspace);
      try check(
        tjDecompressHeader3(
          handle, bytes, UInt(bytes.count), &width, &height, &subsampling, &space))
      if let fault = PictureLimits.fault(
        height: Int(height), width: Int(width), packed: bytes.count)
      {
        throw .badData(path: path, reason: fault)
      }
      let isGrey = space == Int32(TJCS_GRAY.rawValue)
      guard isGrey || [TJCS_RGB, TJCS_YCbCr].contains(where: { space == Int32($0.rawValue) }) else {
        throw .badData(
          path: path, reason: "is in the colours of a printer (CMYK); convert it to RGB")
      }
      let shape = ImageShape(height: Int(height), width: Int(width), channels: isGrey ? 1 : 3)
      let format = Int32((isGrey ? TJPF_GRAY : TJPF_RGB).rawValue)
      var status: Int32 = 0
      let values = [UInt8](unsafeUninitializedCapacity: shape.count) { buffer, filled in
        // int tjDecompress2(tjhandle handle, const unsigned char *jpegBuf, unsigned long jpegSize,
        //   unsigned char *dstBuf, int width, int pitch, int height, int pixelFormat, int flags);
        status = tjDecompress2(
          handle, bytes, UInt(bytes.count), buffer.baseAddress, width, 0, height, format,
          Int32(TJFLAG_ACCURATEDCT | TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS))
        filled = status == 0 ? shape.count : 0
      }
      try check(status)
      return Raster(shape: shape, samples: .uint8(values))
    }

    /// The gate of TurboJPEG's calls: −1 is a failure or a warning.
    private func check(_ status: Int32) throws(StorageError) {
      guard status != 0 else { return }
      // char *tjGetErrorStr2(tjhandle handle);
      let text = tjGetErrorStr2(handle).map { String(cString: $0) } ?? "no reason is given"
      throw .badData(path: path, reason: "is a damaged JPEG file (\(text)); make it again")
    }
  }
#endif
