// A file is there whole or not at all, whatever happens on the way.

import Foundation
import Storage
import TestSupport
import Testing

@Suite struct AtomicFileTests {
  @Test func replacesTheOldFile() throws {
    let folder = try TemporaryFolder()
    try AtomicFile.write("old", to: folder.file("a"))
    try AtomicFile.write([1, 2, 3], to: folder.file("a"))
    #expect(try folder.bytes("a") == [1, 2, 3])
    #expect(try folder.names() == ["a"])
  }

  @Test func anEmptyFile() throws {
    let folder = try TemporaryFolder()
    try AtomicFile.write([UInt8](), to: folder.file("a"))
    #expect(try folder.bytes("a") == [])
  }

  @Test func refusesAFolderThatDoesNotExist() throws {
    let error = try #require(throws: StorageError.self) {
      try AtomicFile.write("new", to: "/no/such/folder/a")
    }
    #expect(
      error
        == .cannotCreate(
          path: "/no/such/folder/a", reason: "cannot be created: No such file or directory"))
  }

  @Test func refusesToReplaceAFolder() throws {
    let folder = try TemporaryFolder()
    let error = try #require(throws: StorageError.self) {
      try AtomicFile.write("new", to: folder.path)
    }
    #expect(error.description == "\(folder.path): is a folder; name a file")
  }

  /// /proc refuses new files from everyone, root included.
  @Test func refusesAnUnwritableFolder() throws {
    let error = try #require(throws: StorageError.self) {
      try AtomicFile.write("new", to: "/proc/self/a")
    }
    guard case .cannotCreate = error else {
      Issue.record("\(error)")
      return
    }
  }

  @Test func aFullDiskKeepsTheOldFile() throws {
    try withSmallDisk(megabytes: 1) { folder in
      try AtomicFile.write("old", to: folder + "/a")
      let error = try #require(throws: StorageError.self) {
        try AtomicFile.write([UInt8](repeating: 7, count: 2 << 20), to: folder + "/a")
      }
      #expect(
        error
          == .inputOutput(
            path: folder + "/a", reason: "cannot write the file: No space left on device"))
      #expect(try String(contentsOfFile: folder + "/a", encoding: .utf8) == "old")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a"])
    }
  }
}

/// Runs the body with a small disk in memory; only root may make one, others skip the body.
func withSmallDisk(megabytes: Int, _ body: (_ folder: String) throws -> Void) throws {
  let folder = try TemporaryFolder()
  let disk = folder.file("disk")
  try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: false)
  guard run("mount", "-t", "tmpfs", "-o", "size=\(megabytes)m", "tmpfs", disk) else { return }
  defer { _ = run("umount", disk) }
  try body(disk)
}

/// Runs a command quietly; false where it fails or does not exist.
///
/// Not by Foundation's Process: next to Swift Testing's exit tests, which wait for any child of the
/// process, it can wait for ever.
private func run(_ arguments: String...) -> Bool {
  let words = ["sh", "-c", "exec \"$@\" >/dev/null 2>&1", "sh"] + arguments
  var argv = words.map { strdup($0) } + [nil]
  defer { for word in argv { free(word) } }
  var child: pid_t = 0
  var status: Int32 = 0
  return posix_spawn(&child, "/bin/sh", nil, nil, &argv, nil) == 0
    && waitpid(child, &status, 0) == child && status == 0
}
