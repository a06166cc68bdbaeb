// The folder of checkpoints: the newest good one is found, whatever the names say.

import Foundation
import Storage
import TestSupport
import Testing

@Suite struct CheckpointFolderTests {
  @Test func names() {
    let folder = CheckpointFolder(path: "run/checkpoints")
    #expect(folder.path(step: 12) == "run/checkpoints/step-00000012.h5")
    #expect(folder.path(step: 1_234_567_890) == "run/checkpoints/step-1234567890.h5")
  }

  @Test func onlyExactNamesCount() throws {
    let temporary = try TemporaryFolder()
    for name in [
      "step-00000003.h5", "step-100000000.h5", "step-00000001.h5", "step-3.h5", "step-.h5",
      "step-0000000x.h5", "step-00000009.h5.tmp", "step--0000001.h5", "other.h5",
      "step-000000004.h5", "step-2147483648.h5", "step-9223372036854775807.h5",
      "step-9223372036854775808.h5",
    ] {
      try temporary.write([1], to: name)
    }
    #expect(try CheckpointFolder(path: temporary.path).steps() == [1, 3, 100_000_000])
  }

  @Test func damagedOnesArePassedOver() throws {
    let temporary = try TemporaryFolder()
    let folder = CheckpointFolder(path: temporary.path)
    #expect(try folder.latestGood() == .init(path: nil, skipped: []))
    for step in [5, 10, 15, 20] {
      try sampleCheckpoint(step: step).write(to: folder.path(step: step))
    }
    #expect(try folder.latestGood() == .init(path: folder.path(step: 20), skipped: []))
    var bytes = try temporary.bytes("step-00000020.h5")
    bytes[bytes.count / 2] ^= 1
    try temporary.write(bytes, to: "step-00000020.h5")
    try temporary.write(Array(bytes.prefix(100)), to: "step-00000015.h5")
    let latest = try folder.latestGood()
    #expect(latest.path == folder.path(step: 10))
    #expect(latest.skipped.map(\.path) == [folder.path(step: 20), folder.path(step: 15)])
    #expect(latest.skipped[0].reason.contains("its checksum does not fit"))
    #expect(latest.skipped[1].reason.contains("the mark at its end is missing"))
    #expect(try folder.latestGood(upTo: 9) == .init(path: folder.path(step: 5), skipped: []))
    #expect(try folder.latestGood(upTo: 4).path == nil)
    try folder.remove(after: 10)
    #expect(try folder.steps() == [5, 10])
  }

  /// A disk that does not answer is not an empty one: a run would begin anew, and remove what is best.
  @Test func whatCannotBeLookedAtIsNotMissing() throws {
    let temporary = try TemporaryFolder()
    let loop = temporary.file("loop")
    try FileManager.default.createSymbolicLink(atPath: loop, withDestinationPath: "loop")
    let folder = CheckpointFolder(path: "\(loop)/checkpoints")
    let reason = "Too many levels of symbolic links"
    #expect(
      throws: StorageError.inputOutput(
        path: folder.path, reason: "cannot be looked at: \(reason)")
    ) { try folder.exists }
    #expect(
      throws: StorageError.inputOutput(
        path: folder.best, reason: "the link cannot be read: \(reason)")
    ) { try folder.bestStep }
    for path in ["", "/none", "/none/none"].map({ temporary.path + $0 }) {
      #expect(try CheckpointFolder(path: path).exists == (path == temporary.path))
      #expect(try CheckpointFolder(path: path).bestStep == nil)
    }
  }

  @Test func aMissingFolder() {
    let error = #expect(throws: StorageError.self) {
      try CheckpointFolder(path: "/no/such/folder").latestGood()
    }
    #expect(
      error?.description == "/no/such/folder: cannot list the folder: No such file or directory")
  }

  /// A good file under another name, a folder, a tensor that is no number, another format.
  @Test func theContentDecides() throws {
    let temporary = try TemporaryFolder()
    let folder = CheckpointFolder(path: temporary.path)
    try sampleCheckpoint(step: 5).write(to: folder.path(step: 5))
    try sampleCheckpoint(step: 5).write(to: folder.path(step: 2_000_000_000))
    try FileManager.default.createDirectory(
      atPath: folder.path(step: 30), withIntermediateDirectories: false)
    try diverged().write(to: folder.path(step: 20))
    try AverageSnapshot(
      step: 10, seed: 1, layout: sampleCheckpoint().layout,
      averages: [0.05: sampleCheckpoint().model]
    ).write(to: folder.path(step: 10))
    let latest = try folder.latestGood()
    #expect(latest.path == folder.path(step: 5))
    let reasons = latest.skipped.map(\.reason)
    try #require(reasons.count == 4)
    #expect(
      reasons[0] == "is the checkpoint of step 5 and not of 2000000000, as its name says; "
        + "ddpm-dist checkpoint repair-name gives it the right name")
    #expect(reasons[1] == "is a folder, not a checkpoint")
    #expect(reasons[2].contains("the tensor time/1/W is not finite"))
    #expect(reasons[3].contains("is a ddpm-averages file, not a ddpm-checkpoint"))
  }

  /// A checkpoint of step 20 with a weight that is no number and a checksum that fits.
  private func diverged() throws -> RawFile {
    var checkpoint = sampleCheckpoint(step: 20)
    checkpoint.model[3] = 1234.5678
    let bytes = try checkpoint.encoded()
    let image = bytes.dropLast(32)
    let mark = withUnsafeBytes(of: Float(1234.5678)) { Array($0) }
    let place = try #require(image.indices.first { image[$0...].starts(with: mark) })
    var changed = Array(image)
    changed.replaceSubrange(
      place..<place + 4, with: withUnsafeBytes(of: Float.nan) { Array($0) })
    return RawFile(bytes: changed + changed.withUnsafeBytes { Checkpoint.trailer(for: $0) })
  }

  private struct RawFile {
    let bytes: [UInt8]
    func write(to path: String) throws { try AtomicFile.write(bytes, to: path) }
  }

  // MARK: The best one

  @Test func theBestIsLinked() throws {
    let temporary = try TemporaryFolder()
    let folder = CheckpointFolder(path: temporary.path)
    for step in 1...5 { try temporary.write([UInt8(step)], to: name(step, folder)) }
    #expect(try folder.bestStep == nil)
    try folder.requireBestIsFree()
    for step in [2, 2, 1] {
      try folder.linkBest(step: step)
      #expect(try folder.bestStep == step)
      #expect(try temporary.bytes("best") == [UInt8(step)])
      #expect(try temporary.names().count == 6)
    }
    try folder.linkBest(step: 5)
    // The link is right in a copy, and is one of ours where its checkpoint is gone.
    let copies = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: temporary.path, toPath: copies.file("a"))
    try FileManager.default.removeItem(atPath: folder.path(step: 5))
    let copy = CheckpointFolder(path: copies.file("a"))
    #expect(try copy.bestStep == 5)
    #expect(try copies.bytes("a/best") == [5])
    #expect(try folder.bestStep == 5)
    try folder.linkBest(step: 4)
    #expect(try temporary.bytes("best") == [4])
  }

  @Test(arguments: ["a file", "a folder", "another link", "a link out of the folder"])
  func whatIsNoLinkOfOursIsNotReplaced(_ kind: String) throws {
    let temporary = try TemporaryFolder()
    let folder = CheckpointFolder(path: temporary.path)
    try temporary.write([1], to: name(1, folder))
    let manager = FileManager.default
    switch kind {
    case "a file": try temporary.write([7], to: "best")
    case "a folder":
      try manager.createDirectory(atPath: folder.best, withIntermediateDirectories: false)
    case "another link":
      try manager.createSymbolicLink(atPath: folder.best, withDestinationPath: "notes.txt")
    default:
      try manager.createSymbolicLink(
        atPath: folder.best, withDestinationPath: "../x/step-00000001.h5")
    }
    #expect(try folder.bestStep == nil)
    let before = try manager.attributesOfItem(atPath: folder.best)[.systemFileNumber] as? Int
    let error = #expect(throws: StorageError.self) { try folder.requireBestIsFree() }
    let again = #expect(throws: StorageError.self) { try folder.linkBest(step: 1) }
    #expect(again == error)
    #expect(error?.path == folder.best)
    #expect(try temporary.names().count == 2)
    #expect(
      try manager.attributesOfItem(atPath: folder.best)[.systemFileNumber] as? Int == before)
  }

  /// What a writer leaves that is killed before it renames: the old file, and a temporary one.
  @Test func staleTemporariesAreRemoved() throws {
    let temporary = try TemporaryFolder()
    let folder = CheckpointFolder(path: temporary.path)
    try sampleCheckpoint(step: 1).write(to: folder.path(step: 1))
    let half = try Array(sampleCheckpoint().encoded().prefix(5000))
    try temporary.write(half, to: "step-00000002.h5.4711-1.tmp")
    try FileManager.default.createSymbolicLink(
      atPath: temporary.file("best.4711-2.tmp"), withDestinationPath: "step-00000002.h5")
    let others = ["notes.tmp", "other.h5.1-2.tmp", "step-00000003.h5.x.tmp"]
    for name in others { try temporary.write([1], to: name) }
    #expect(try folder.latestGood() == .init(path: folder.path(step: 1), skipped: []))
    #expect(
      try folder.removeStaleTemporaries() == [
        temporary.file("best.4711-2.tmp"), temporary.file("step-00000002.h5.4711-1.tmp"),
      ])
    #expect(try temporary.names() == (others + ["step-00000001.h5"]).sorted())
  }

  /// A writer that is killed at some moment leaves the old file or the new one.
  @Test(arguments: [1, 3, 5, 7, 9, 11].map { $0 * 1000 }) func aKilledWriterLeavesAGoodFile(
    _ microseconds: Int
  ) async throws {
    let temporary = try TemporaryFolder()
    let folder = CheckpointFolder(path: temporary.path)
    let path = folder.path(step: 1)
    try sampleCheckpoint(step: 1).write(to: path)
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [path = path as String, microseconds = microseconds as Int] in
      Thread.detachNewThread {
        usleep(UInt32(microseconds))
        kill(getpid(), SIGKILL)
      }
      while true { try sampleCheckpoint(step: 1, provenance: [:]).write(to: path) }
    }
    #expect(try folder.latestGood() == .init(path: path, skipped: []))
    try folder.removeStaleTemporaries()
    #expect(try temporary.names() == ["step-00000001.h5"])
  }

  private func name(_ step: Int, _ folder: CheckpointFolder) -> String {
    String(folder.path(step: step).dropFirst(folder.path.count + 1))
  }
}
