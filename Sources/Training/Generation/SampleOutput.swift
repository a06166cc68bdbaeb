// Where drawn images go: what the name of an output says.

import Storage

/// One output of drawn images.
public enum SampleOutput: Equatable, Sendable {
  /// A picture of all of them, PNG.
  case picture(String)
  /// An HDF5 file.
  case samples(String)
  /// An npz file.
  case archive(String)
  /// A folder of one PNG file an image.
  case folder(String)

  /// The output of a name; nil where its ending stands for none.
  ///
  /// A folder's name ends with a slash, or it is there.
  public init?(_ path: String) {
    if OutputKind.picture.fits(path) {
      self = .picture(path)
    } else if OutputKind.samples.fits(path) {
      self = .samples(path)
    } else if OutputKind.archive.fits(path) {
      self = .archive(path)
    } else if PictureFolder.fits(path) {
      self = .folder(path)
    } else {
      return nil
    }
  }

  /// Its name.
  public var path: String {
    switch self {
    case .picture(let path), .samples(let path), .archive(let path), .folder(let path): path
    }
  }

  /// Refuses, before any work, a file that must not be replaced. Folders are asked later, when it is
  /// known which images they are to hold.
  ///
  /// - Parameters:
  ///   - inputs: The files and folders that the command reads.
  ///   - isForced: Whether a file of another kind is replaced.
  /// - Throws: `StorageError.cannotCreate`.
  public func check(inputs: [String], isForced: Bool = false) throws(StorageError) {
    let kind: OutputKind
    switch self {
    case .picture: kind = .picture
    case .samples: kind = .samples
    case .archive: kind = .archive
    case .folder: return
    }
    try kind.check(target: path, inputs: inputs, isForced: isForced)
  }
}
