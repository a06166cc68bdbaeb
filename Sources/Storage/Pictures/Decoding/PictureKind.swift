// The kinds of picture files, told apart by how they begin; a new kind is a file and a line in the list.

/// A kind of picture files and how it is decoded.
struct PictureKind: Sendable {
  /// What it is called in a sentence.
  let name: String
  /// The endings of the names of such files, in lower case, without the dot.
  let endings: [String]
  /// What such files begin with; any of these.
  let signatures: [[UInt8]]
  /// Whether a child process decodes such files first, because damaged ones may crash the library.
  ///
  /// The child is told by the endings of names: such a file under another ending is refused.
  let isCheckedByChild: Bool
  /// The picture in the bytes of a file; the path is for messages.
  let decode: @Sendable (_ bytes: [UInt8], _ path: String) throws(StorageError) -> Raster

  /// Every kind.
  static let all: [PictureKind] = [.png, .jpeg, .tiff]

  /// The names of all kinds, as `PNG, JPEG or TIFF`.
  static var names: String {
    all.dropLast().map(\.name).joined(separator: ", ") + " or " + all.last!.name
  }

  /// The kind that a name's ending stands for.
  init?(named path: String) {
    guard let dot = path.lastIndex(of: "."),
      let kind = Self.all.first(where: {
        $0.endings.contains(path[path.index(after: dot)...].lowercased())
      })
    else { return nil }
    self = kind
  }

  /// The kind of a file that begins with some bytes.
  init?(beginning bytes: some Collection<UInt8>) {
    guard
      let kind = Self.all.first(where: { kind in
        kind.signatures.contains { bytes.starts(with: $0) }
      })
    else { return nil }
    self = kind
  }

  init(
    name: String, endings: [String], signatures: [[UInt8]], isCheckedByChild: Bool = false,
    decode: @escaping @Sendable (_ bytes: [UInt8], _ path: String) throws(StorageError) -> Raster
  ) {
    (self.name, self.endings, self.signatures) = (name, endings, signatures)
    (self.isCheckedByChild, self.decode) = (isCheckedByChild, decode)
  }
}

extension Raster {
  /// Decodes the bytes of a picture file of any kind.
  ///
  /// - Parameter path: The file's name, for messages and for the kinds that a child checks.
  /// - Throws: `.badData` for what is no picture, is damaged, too large, not opaque, or of a kind whose
  ///   library this build has not.
  init(bytes: [UInt8], path: String) throws(StorageError) {
    guard let kind = PictureKind(beginning: bytes) else {
      throw .badData(path: path, reason: "is not a \(PictureKind.names) file")
    }
    if kind.isCheckedByChild, PictureKind(named: path)?.name != kind.name {
      throw .badData(
        path: path,
        reason: "is a \(kind.name) file; let its name end in .\(kind.endings[0])")
    }
    self = try kind.decode(bytes, path)
  }

  /// Reads a picture file of any kind.
  ///
  /// - Throws: `.missingInput`, `.inputOutput`, and as `init(bytes:)`.
  init(path: String) throws(StorageError) {
    var file = try InputFile(path: path)
    var bytes = try file.read(upTo: 16)
    guard PictureKind(beginning: bytes) != nil else {
      throw .badData(path: path, reason: "is not a \(PictureKind.names) file")
    }
    bytes += try file.readToEnd(limit: PictureLimits.file)
    try self.init(bytes: bytes, path: path)
  }
}

/// Which of the optional libraries this build has.
package enum OptionalLibraries {
  /// Whether JPEG files are read.
  package static var readsJPEG: Bool {
    #if canImport(CTurboJPEG)
      true
    #else
      false
    #endif
  }

  /// Whether TIFF files are read.
  package static var readsTIFF: Bool {
    #if canImport(CTIFF)
      true
    #else
      false
    #endif
  }
}

/// The sentence on a file whose library this build has not.
func withoutLibrary(_ kind: String, package: String, path: String) -> StorageError {
  .badData(
    path: path,
    reason: "is a \(kind) file, which this build does not read: install \(package) "
      + "(launch/setup.sh --pictures) and build again")
}
