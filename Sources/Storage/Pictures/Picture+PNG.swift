// Pictures as PNG files, through libpng's simplified interface, which returns its errors (the
// other one jumps over its caller, which Swift forbids).

import CPNG
import Tensors

extension Picture {
  /// Reads a PNG file of any kind as 8-bit grey or red-green-blue.
  ///
  /// Palettes and 1, 2, 4-bit values are expanded, interlacing is undone and 16-bit values are
  /// rounded to 8. A file whose declared gamma is not that of sRGB is converted to sRGB. An alpha
  /// channel must be opaque everywhere, because a picture has no background of its own.
  ///
  /// - Parameter path: The file.
  /// - Throws: `StorageError`: missing, not PNG, damaged, too large, or not opaque.
  public init(png path: String) throws(StorageError) {
    var file = try InputFile(path: path)
    var bytes = try file.read(upTo: PNGHeader.end)
    try PNGHeader.check(bytes, path: path)
    bytes += try file.readToEnd(limit: PictureLimits.file)
    self = try PNGReader(path: path).picture(from: bytes)
  }

  /// The picture as the bytes of a PNG file; equal pictures give equal bytes.
  public func pngBytes() -> [UInt8] {
    var image = png_image()
    image.version = UInt32(PNG_IMAGE_VERSION)
    image.width = UInt32(shape.width)
    image.height = UInt32(shape.height)
    image.format = shape.channels == 3 ? UInt32(PNG_FORMAT_FLAG_COLOR) : 0
    var size = CPNG_maximumSize(&image)
    return [UInt8](unsafeUninitializedCapacity: size) { buffer, filled in
      // int png_image_write_to_memory(png_imagep image, void *memory,
      //   png_alloc_size_t * PNG_RESTRICT memory_bytes, int convert_to_8_bit,
      //   const void *buffer, png_int_32 row_stride, const void *colormap);
      let ok = png_image_write_to_memory(
        &image, buffer.baseAddress, &size, 0, pixels, Int32(shape.width * shape.channels), nil)
      precondition(
        ok != 0, "A picture fits into its PNG bytes: \(String(cString: CPNG_message(&image))).")
      filled = size
    }
  }

  /// Writes the picture as a PNG file that appears complete or not at all.
  ///
  /// - Throws: `StorageError` where the file cannot be made or written, and where libpng does not
  ///   make pictures of that size.
  public func writePNG(to path: String) throws(StorageError) {
    // libpng's own limits: extents of a million, rows of bytes whose number fits into 32 bits.
    guard max(shape.height, shape.width) <= 1_000_000, shape.count <= Int(UInt32.max) else {
      throw .cannotCreate(
        path: path,
        reason: "would be a picture of \(shape.height) × \(shape.width) pixels, more than a PNG "
          + "file can have; draw fewer images")
    }
    try AtomicFile.write(pngBytes(), to: path)
  }
}

/// libpng's state while one file is read, at an address that does not change: libpng keeps it.
struct PNGReader: ~Copyable {
  private let path: String
  private let image: UnsafeMutablePointer<png_image>

  init(path: String) {
    self.path = path
    image = .allocate(capacity: 1)
    image.initialize(to: png_image())
    image.pointee.version = UInt32(PNG_IMAGE_VERSION)
  }

  deinit {
    // void png_image_free(png_imagep image);
    png_image_free(image)
    image.deallocate()
  }

  /// The picture in the bytes of a PNG file, with 8 bits a value.
  func picture(from bytes: [UInt8]) throws(StorageError) -> Picture {
    try PNGHeader.check(bytes, path: path, isWhole: true)
    // libpng reads from the bytes until the end of `png_image_finish_read`.
    let result = bytes.withUnsafeBytes { bytes in
      Result { () throws(StorageError) in
        // int png_image_begin_read_from_memory(png_imagep image, png_const_voidp memory,
        //   size_t size);
        try check(png_image_begin_read_from_memory(image, bytes.baseAddress, bytes.count))
        return try readPixels()
      }
    }
    return try result.get()
  }

  /// The pixels of the image whose header was read.
  private func readPixels() throws(StorageError) -> Picture {
    let (width, height) = (Int(image.pointee.width), Int(image.pointee.height))
    let (alphaFlag, colorFlag) = (UInt32(PNG_FORMAT_FLAG_ALPHA), UInt32(PNG_FORMAT_FLAG_COLOR))
    image.pointee.format &= alphaFlag | colorFlag  // 8 bits a value, no palette
    // Without this, 16-bit values would be taken for linear light.
    image.pointee.flags |= UInt32(PNG_IMAGE_FLAG_16BIT_sRGB)

    let channels = image.pointee.format & colorFlag != 0 ? 3 : 1
    let alpha = image.pointee.format & alphaFlag != 0
    let stored = channels + (alpha ? 1 : 0)
    var values = [UInt8](repeating: 0, count: height * width * stored)
    // int png_image_finish_read(png_imagep image, png_const_colorp background, void *buffer,
    //   png_int_32 row_stride, void *colormap);
    try check(png_image_finish_read(image, nil, &values, Int32(width * stored), nil))
    let shape = ImageShape(height: height, width: width, channels: channels)
    return Picture(
      shape: shape,
      pixels: alpha ? try withoutAlpha(values, shape, opaque: 255, path: path) : values)
  }

  /// The gate of libpng's calls: 0 is a failure, and the image's message says which.
  private func check(_ status: Int32) throws(StorageError) {
    guard status == 0 else { return }
    throw damagedPNG(String(cString: CPNG_message(image)), path: path)
  }
}
