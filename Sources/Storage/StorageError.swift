// The one error type of this module.

import Glibc

/// What can go wrong with the files of this module; the description is one line: where and what.
public enum StorageError: Error, Equatable, CustomStringConvertible {
  /// A file that was asked for does not exist or may not be read.
  case missingInput(path: String, reason: String)
  /// A file exists, but its content is not what it must be.
  case badData(path: String, reason: String)
  /// A file cannot be created where it was asked for.
  case cannotCreate(path: String, reason: String)
  /// The system failed to read or write; a full disk, for example.
  case inputOutput(path: String, reason: String)

  /// The file that the error is about.
  public var path: String {
    switch self {
    case .missingInput(let path, _), .badData(let path, _), .cannotCreate(let path, _),
      .inputOutput(let path, _):
      path
    }
  }

  /// What is wrong with it and what to do.
  public var reason: String {
    switch self {
    case .missingInput(_, let reason), .badData(_, let reason), .cannotCreate(_, let reason),
      .inputOutput(_, let reason):
      reason
    }
  }

  /// Whether the system had no room for what was to be written.
  public var isOutOfSpace: Bool {
    [ENOSPC, EDQUOT].contains { reason.hasSuffix(systemReason($0)) }
  }

  /// The whole error in one line.
  public var description: String {
    "\(path): \(reason)".split(whereSeparator: \.isNewline).joined(separator: " ")
  }
}
