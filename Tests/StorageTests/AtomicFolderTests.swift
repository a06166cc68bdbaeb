// A folder is there whole or not at all.

import Foundation
import Storage
import TestSupport
import Testing

@Suite struct AtomicFolderTests {
  private let folder = try! TemporaryFolder()

  /// Writes a folder with a file in a folder of it.
  private func write(_ text: String, to name: String, publishing: Bool = true) throws {
    let new = try AtomicFolder(folder.file(name))
    #expect(new.path != new.target)
    try AtomicFile.write(text, to: "\(try new.makeFolder("inner"))/a")
    if publishing { try new.publish() }
  }

  @Test func appearsWhole() throws {
    try write("one", to: "out")
    #expect(try folder.bytes("out/inner/a") == Array("one".utf8))
    // With a slash, and in the place of another one.
    try write("two", to: "out/")
    #expect(try folder.bytes("out/inner/a") == Array("two".utf8))
    #expect(try folder.names() == ["out"])
  }

  @Test func leavesNothingWhereItIsNotPublished() throws {
    try write("one", to: "out", publishing: false)
    #expect(try folder.names() == [])
  }

  /// Where the folder is until then is nobody's business.
  @Test func errorsHaveTheFinalName() throws {
    let new = try AtomicFolder(folder.file("out"))
    let inner = StorageError.inputOutput(path: "\(new.path)/inner/a", reason: "no room")
    #expect(
      new.named(inner) == .inputOutput(path: "\(folder.path)/out/inner/a", reason: "no room"))
    let other = StorageError.cannotCreate(path: "b", reason: "no")
    #expect(new.named(other) == other)
  }

  @Test func refusals() throws {
    func refusal(_ name: String, isForced: Bool = false, isOurs: Bool = true) -> String? {
      do throws(StorageError) {
        try AtomicFolder.check(folder.file(name), "a model", isForced: isForced) { _ in isOurs }
        return nil
      } catch {
        guard case .cannotCreate = error else { return "another error" }
        return error.reason
      }
    }
    #expect(refusal("new") == nil && refusal("new/") == nil)
    try folder.write([1], to: "file")
    #expect(refusal("file")?.contains("no folder") == true)
    #expect(refusal("file/new")?.contains("cannot be created") == true)
    #expect(refusal("none/new")?.contains("cannot be created") == true)
    try write("one", to: "out")
    #expect(refusal("out")?.contains("--force") == true)
    #expect(refusal("out", isForced: true) == nil)
    #expect(refusal("out", isForced: true, isOurs: false)?.contains("other files") == true)
    try FileManager.default.createSymbolicLink(
      atPath: folder.file("link"), withDestinationPath: folder.file("out"))
    #expect(refusal("link", isForced: true)?.contains("is a link") == true)
    #expect(try folder.names() == ["file", "link", "out"])
  }
}
