// The one error type of this module.

/// What can go wrong with an HDF5 file; the description is one line: where, what, and why.
public enum HDF5Error: Error, Equatable, CustomStringConvertible {
  /// A call of the library failed; the reason is the library's own innermost message.
  case library(place: Place, doing: String, reason: String)
  /// The file or object does not exist.
  case missing(place: Place, reason: String)
  /// The object exists, but is not read: its declaration is unsafe, unsupported or of another kind.
  case refused(place: Place, reason: String)

  /// The file and the object that the error is about.
  public var place: Place {
    switch self {
    case .library(let place, _, _), .missing(let place, _), .refused(let place, _): place
    }
  }

  /// What is wrong, without the file and the object.
  public var reason: String {
    switch self {
    case .library(_, let doing, let reason): "cannot \(doing): \(reason)"
    case .missing(_, let reason), .refused(_, let reason): reason
    }
  }

  /// The whole error in one line.
  public var description: String { "\(place): \(reason)" }
}

/// The file and the object inside it that a call or an error is about.
public struct Place: Equatable, Sendable, CustomStringConvertible {
  /// The path of the file, or a label for a file in memory.
  public let file: String
  /// The absolute path of the object inside the file; `/` for the file as a whole.
  public let object: String

  /// A place in a file.
  public init(file: String, object: String = "/") {
    self.file = file
    self.object = object
  }

  /// `file` or `file:/object`.
  public var description: String { object == "/" ? file : "\(file):\(object)" }

  /// The place of a child, given by its path relative to this place or absolute.
  package func appending(_ name: String) -> Place {
    if name.hasPrefix("/") { return Place(file: file, object: name) }
    return Place(file: file, object: object == "/" ? "/" + name : object + "/" + name)
  }
}
