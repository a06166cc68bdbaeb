// The text of a configuration file, or why there is none.

import Foundation
import Storage

extension Configuration {
  /// The text of a configuration file.
  ///
  /// - Throws: `StorageError.missingInput` for what is no readable file, `ConfigurationError` for
  ///   one that is no text.
  package static func text(ofFile path: String) throws -> String {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      throw StorageError.missingInput(
        path: path, reason: "is a folder; name a configuration file, such as config.yaml in it")
    }
    let bytes: [UInt8]
    do {
      bytes = try readSmallFile(path, role: "a configuration file", limit: 1 << 20)
    } catch .missingInput {
      throw StorageError.missingInput(
        path: path, reason: "there is no readable configuration file of this name")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ConfigurationError(
        source: path, reason: "is not a text in UTF-8; name a YAML file, or save it in UTF-8.")
    }
    return text
  }
}
