// What the tests of the imports share: fixtures, scratch folders, and reading a source to its end.

import Foundation
import Storage
import Testing

/// The bytes of a fixture, made by `make_import_fixtures.py`.
func fixture(_ name: String) throws -> [UInt8] { try readFile(fixturePath(name)) }

/// The bytes of a file.
func readFile(_ path: String) throws -> [UInt8] {
  [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
}

/// The path of a fixture.
func fixturePath(_ name: String) -> String {
  Bundle.module.resourceURL!.appendingPathComponent("Fixtures/\(name)").path
}

/// Runs `body` with the path of a new folder, which is gone afterwards.
func withFolder<R>(_ body: (String) throws -> R) throws -> R {
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("storage-tests-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: folder) }
  return try body(folder.path)
}

/// Writes a file, and the folders above it, and returns its path.
@discardableResult
func write(_ bytes: [UInt8], _ folder: String, _ name: String) throws -> String {
  let url = URL(fileURLWithPath: folder).appendingPathComponent(name)
  try FileManager.default.createDirectory(
    at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
  try Data(bytes).write(to: url)
  return url.path
}

/// All images and labels of a source.
func readAll(_ source: ImportSource) throws -> (images: [UInt8], labels: [Int]?) {
  var images: [UInt8] = []
  var labels: [Int]? = nil
  try source.forEachBatch { batch, classes in
    images += batch
    if let classes { labels = (labels ?? []) + classes }
  }
  return (images, labels)
}

/// Expects a `StorageError` whose one line contains every one of `parts`.
func expectRefusal(
  _ parts: String..., at location: SourceLocation = #_sourceLocation, from body: () throws -> Void
) {
  do {
    try body()
    Issue.record("nothing was refused", sourceLocation: location)
  } catch let error as StorageError {
    let line = error.description
    #expect(!line.contains("\n"), sourceLocation: location)
    for part in parts {
      #expect(line.contains(part), "in: \(line)", sourceLocation: location)
    }
  } catch {
    Issue.record("\(error) is no StorageError", sourceLocation: location)
  }
}
