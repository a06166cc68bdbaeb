// Errors of the HDF5 module, seen from the file that was read or written.

import HDF5

extension StorageError {
  /// An error while reading a file.
  init(reading path: String, _ error: HDF5Error) {
    let object = error.place.object == "/" ? "" : "\(error.place.object): "
    self =
      error.reason.contains("truncated file")
      ? .badData(path: path, reason: "is truncated: \(error.reason)")
      : .badData(path: path, reason: object + error.reason)
  }

  /// An error while writing a file.
  init(writing path: String, _ error: HDF5Error) {
    let object = error.place.object == "/" ? "" : "\(error.place.object): "
    self = .inputOutput(path: path, reason: object + error.reason)
  }
}

/// Runs calls of the HDF5 module that read a file.
func reading<Value: ~Copyable>(
  _ path: String, _ body: () throws(HDF5Error) -> Value
) throws(StorageError) -> Value {
  do throws(HDF5Error) {
    return try body()
  } catch {
    throw StorageError(reading: path, error)
  }
}

/// Runs calls of the HDF5 module that write a file.
func writing<Value: ~Copyable>(
  _ path: String, _ body: () throws(HDF5Error) -> Value
) throws(StorageError) -> Value {
  do throws(HDF5Error) {
    return try body()
  } catch {
    throw StorageError(writing: path, error)
  }
}
