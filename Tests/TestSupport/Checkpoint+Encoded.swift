// The bytes of a checkpoint's file.

import Foundation
import Storage

extension Checkpoint {
  /// The bytes that `write` writes.
  public func encoded() throws(StorageError) -> [UInt8] {
    let path = NSTemporaryDirectory() + "checkpoint-\(UUID().uuidString).h5"
    defer { unlink(path) }
    try write(to: path)
    guard let bytes = FileManager.default.contents(atPath: path) else {
      fatalError("\(path) cannot be read.")
    }
    return Array(bytes)
  }
}
