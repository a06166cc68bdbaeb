// TIFF files through libtiff: one picture, or a stack of pages.

import Glibc
import Tensors

#if canImport(CTIFF)
  import CTIFF
#endif

extension PictureKind {
  /// TIFF with one page: grey, palette or red-green-blue, of 8, 16, 32 or 64 bits.
  static let tiff = PictureKind(
    name: "TIFF", endings: ["tif", "tiff"],
    signatures: [
      [0x49, 0x49, 42, 0], [0x4D, 0x4D, 0, 42], [0x49, 0x49, 43, 0], [0x4D, 0x4D, 0, 43],
    ],
    isCheckedByChild: true
  ) { (bytes, path) throws(StorageError) in
    #if canImport(CTIFF)
      let result = bytes.withUnsafeBufferPointer { bytes in
        Result { () throws(StorageError) in
          var pages = try TIFFPages(bytes, path: path)
          guard let raster = try pages.next() else {
            throw StorageError.badData(path: path, reason: "is a TIFF file without a page")
          }
          guard try pages.isAtEnd() else {
            throw StorageError.badData(
              path: path,
              reason: "is a TIFF file with several pages; import it alone, as a stack of pictures")
          }
          return raster
        }
      }
      return try result.get()
    #else
      throw withoutLibrary("TIFF", package: "libtiff-dev", path: path)
    #endif
  }
}

/// The pages of a TIFF file, one after the other; smaller copies of other pages are passed over.
struct TIFFPages: ~Copyable {
  #if canImport(CTIFF)
    private let path: String
    private let descriptor: Descriptor?
    private let source: UnsafeMutablePointer<CTIFF_Source>
    private let file: OpaquePointer
    /// The page in hand, counted from 1; 0 before the first.
    private var page = 0
    private var hasDirectory = true

    private static let handlers: Void = CTIFF_setHandlers()

    /// Opens a file, of any size.
    init(path: String) throws(StorageError) {
      let size = try requireFile(path, role: "a TIFF file")
      let descriptor: Descriptor
      do throws(SystemFailure) {
        descriptor = try Descriptor(path, O_RDONLY)
      } catch {
        throw .inputOutput(path: path, reason: "cannot be read: \(error.reason)")
      }
      var source = CTIFF_Source()
      (source.descriptor, source.size) = (descriptor.number, UInt64(size))
      try self.init(source, descriptor, path)
    }

    /// Opens the bytes of a file, which stay where they are until the pages are read.
    init(_ bytes: UnsafeBufferPointer<UInt8>, path: String) throws(StorageError) {
      var source = CTIFF_Source()
      (source.bytes, source.size) = (bytes.baseAddress, UInt64(bytes.count))
      try self.init(source, nil, path)
    }

    private init(
      _ source: CTIFF_Source, _ descriptor: consuming Descriptor?, _ path: String
    ) throws(StorageError) {
      _ = Self.handlers
      let pointer = UnsafeMutablePointer<CTIFF_Source>.allocate(capacity: 1)
      pointer.initialize(to: source)
      guard let file = CTIFF_open(pointer) else {
        let error = Self.damaged(pointer, path)
        pointer.deallocate()
        throw error
      }
      (self.path, self.source, self.file) = (path, pointer, file)
      self.descriptor = descriptor
    }

    deinit {
      // void TIFFClose(TIFF *tif);
      TIFFClose(file)
      source.deallocate()
    }

    /// Whether there is no page left.
    mutating func isAtEnd() throws(StorageError) -> Bool { try !advance() }

    /// The next page; nil behind the last.
    mutating func next() throws(StorageError) -> Raster? {
      guard try advance() else { return nil }
      return try raster()
    }

    /// Passes over the next page; false behind the last.
    mutating func skip() throws(StorageError) -> Bool { try advance() }

    /// Goes to the next page that is no smaller copy.
    private mutating func advance() throws(StorageError) -> Bool {
      while hasDirectory {
        // int TIFFReadDirectory(TIFF *tif): 0 at the end of the file too; the first was read on opening.
        if page > 0, TIFFReadDirectory(file) == 0 {
          hasDirectory = false
          if source.pointee.message.0 != 0 { throw Self.damaged(source, path) }
          return false
        }
        page += 1
        let isCopy =
          CTIFF_long(file, UInt32(TIFFTAG_SUBFILETYPE), 0) & UInt32(FILETYPE_REDUCEDIMAGE) != 0
        if !isCopy { return true }
      }
      return false
    }

    private static func damaged(
      _ source: UnsafePointer<CTIFF_Source>, _ path: String
    ) -> StorageError {
      let text = String(cString: CTIFF_message(source))
      return .badData(
        path: path,
        reason: "is a damaged TIFF file (\(text.isEmpty ? "no reason is given" : text)); "
          + "make it again")
    }

    private func refused(_ reason: String) -> StorageError {
      .badData(path: path, reason: page > 1 ? "page \(page) \(reason)" : reason)
    }

    // MARK: One page

    private func raster() throws(StorageError) -> Raster {
      let form: TIFFForm
      switch TIFFForm.make(file, size: Int(source.pointee.size)) {
      case .success(let made): form = made
      case .failure(let reason): throw refused(reason.text)
      }
      var bytes = [UInt8](
        unsafeUninitializedCapacity: form.height * form.row
      ) { buffer, filled in
        // Only what is decoded touches the memory.
        filled =
          form.isRead(from: file, into: UnsafeMutableRawBufferPointer(buffer))
          ? buffer.count : 0
      }
      guard bytes.count == form.height * form.row else { throw Self.damaged(source, path) }
      if form.isPalette {
        guard let colours = form.colours(of: bytes, in: file) else {
          throw refused("has a palette without colours")
        }
        bytes = colours
      }
      return try form.raster(of: bytes, path: path)
    }
  #else
    init(path: String) throws(StorageError) {
      throw withoutLibrary("TIFF", package: "libtiff-dev", path: path)
    }
    mutating func next() throws(StorageError) -> Raster? { nil }
    mutating func skip() throws(StorageError) -> Bool { false }
  #endif
}
