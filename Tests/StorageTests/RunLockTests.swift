// One job at a time has a run's folder: holders that live are named, dead ones replaced.

import Foundation
import Storage
import TestSupport
import Testing

@Suite struct RunLockTests {
  let temporary = try! TemporaryFolder()

  private var folder: String { temporary.file("runs/a") }
  private var own: LockHolder {
    .current(host: "node1", start: "2026-01-01T00:00:00Z", environment: [:])
  }

  private func refusal(_ holder: LockHolder? = nil) -> String? {
    do {
      _ = try RunLock(folder: folder, holder: holder ?? own)
      return nil
    } catch {
      guard case .cannotCreate(let path, let reason) = error else { return "another: \(error)" }
      #expect(path == "\(folder)/lock")
      return reason
    }
  }

  private func write(_ text: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try temporary.write(Array(text.utf8), to: "runs/a/lock")
  }

  @Test func theFolderIsMadeAndRemoved() throws {
    do {
      let lock = try RunLock(folder: folder, holder: own)
      #expect(lock.replaced == nil)
      #expect(try String(contentsOfFile: lock.path, encoding: .utf8) == own.text)
      #expect(try temporary.names() == ["runs"])
      #expect(
        refusal() == "is held by process \(own.process) on node1 since 2026-01-01T00:00:00Z: "
          + "a run takes one job at a time; wait for its end, or end it")
      // Another machine that sees the lock of the system.
      var other = own
      (other.host, other.boot) = ("node2", "x")
      #expect(refusal(other)?.hasSuffix("wait for its end, or end it") == true)
    }
    #expect(try temporary.names() == [])
    // What a job has left in the folder stays.
    do {
      let lock = try RunLock(folder: folder, holder: own)
      try withExtendedLifetime(lock) { _ = try temporary.write([1], to: "runs/a/b") }
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["b"])
    #expect(refusal() == nil)
  }

  /// The lock of the system tells more than the number of a process: it may be of a copied folder.
  @Test func aFileThatNobodyHasLockedIsTakenOver() throws {
    try write(own.text)
    let lock = try RunLock(folder: folder, holder: own)
    #expect(lock.replaced == own)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["lock"])
    #expect(refusal()?.hasPrefix("is held by process") == true)
  }

  /// The file of a dead holder is replaced and not changed: a crash in between leaves one of both, whole.
  @Test func aLockIsTakenOverInOneStep() throws {
    var gone = own
    gone.job = "pbs 1234567.a-server-with-a-long-name"
    try write(gone.text)
    let old = temporary.file("old")
    try FileManager.default.linkItem(atPath: "\(folder)/lock", toPath: old)
    let lock = try RunLock(folder: folder, holder: own)
    #expect(lock.replaced == gone)
    #expect(try temporary.bytes("old") == Array(gone.text.utf8))
    #expect(try temporary.bytes("runs/a/lock") == Array(own.text.utf8))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["lock"])
  }

  @Test func anotherMachineIsNotAssumedDead() throws {
    var other = own
    (other.host, other.boot, other.job) = ("node2", "another", "slurm 12")
    try write(other.text)
    #expect(
      refusal()
        == "is held by process \(own.process) on node2 since 2026-01-01T00:00:00Z (job slurm 12): "
        + "a run takes one job at a time; if that process is gone, remove this file")
    #expect(try temporary.bytes("runs/a/lock") == Array(other.text.utf8))
  }

  @Test(arguments: ["", "hello", "host: x\n", "\u{0}", "host: x\nprocess: -1\nstart: y\n"])
  func aFileOfOthersIsNotReplaced(text: String) throws {
    try write(text)
    #expect(refusal()?.contains("does not say who holds it") == true)
    #expect(try temporary.bytes("runs/a/lock") == Array(text.utf8))
  }

  @Test func whatIsNoFileIsRefused() throws {
    try write("")
    try FileManager.default.removeItem(atPath: "\(folder)/lock")
    try FileManager.default.createSymbolicLink(
      atPath: "\(folder)/lock", withDestinationPath: temporary.file("x"))
    #expect(refusal()?.contains("cannot be locked: Too many levels of symbolic links") == true)
    try FileManager.default.removeItem(atPath: "\(folder)/lock")
    try FileManager.default.createDirectory(
      atPath: "\(folder)/lock", withIntermediateDirectories: false)
    #expect(refusal()?.contains("Is a directory") == true)
    #expect(try temporary.names() == ["runs"])
  }

  @Test func aFolderBelowAFileIsRefused() throws {
    try temporary.write([1], to: "file")
    let error = #expect(throws: StorageError.self) {
      try RunLock(folder: temporary.file("file/run"), holder: own)
    }
    #expect(error?.path == temporary.file("file/run"))
    #expect(error?.reason.contains("Not a directory") == true)
    #expect(try temporary.names() == ["file"])
  }

  // MARK: Who is gone

  @Test func textsAreReadBack() {
    let holder = LockHolder.current(
      host: "a b: c", start: "now", environment: ["SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "2"])
    #expect(holder.job == "slurm 7" && holder.restart == "2" && holder.process == getpid())
    #expect(!holder.kernelStart.isEmpty && !holder.boot.isEmpty)
    #expect(LockHolder(text: holder.text) == holder)
    #expect(LockHolder(text: own.text) == own)
    let pbs = LockHolder.current(host: "a", start: "now", environment: ["PBS_JOBID": "9.server"])
    #expect(pbs.job == "pbs 9.server" && pbs.restart == nil)
  }

  /// On a file system without locks the kernel's list of processes decides.
  @Test func processesOfThisMachineAreLookedFor() throws {
    func isGone(_ change: (inout LockHolder) -> Void) -> Bool {
      var holder = own
      change(&holder)
      return holder.isGone(seenBy: own, isUnlocked: false)
    }
    #expect(!isGone { _ in })
    // No process has more digits than the kernel allows.
    #expect(isGone { $0.process = .max })
    #expect(isGone { $0.kernelStart = "1" })
    #expect(isGone { $0.boot = "before the last start" })
    #expect(!isGone { ($0.host, $0.process) = ("node2", .max) })
  }

  /// A job that the batch system starts again has ended before.
  @Test func aJobThatWasStartedAgainIsGone() {
    var (before, now) = (own, own)
    (before.host, before.boot, before.job, before.restart) = ("node2", "x", "slurm 7", "0")
    (now.job, now.restart) = ("slurm 7", "1")
    #expect(before.isGone(seenBy: now, isUnlocked: false))
    now.restart = "0"
    #expect(!before.isGone(seenBy: now, isUnlocked: true))
    (now.job, now.restart) = ("slurm 8", "1")
    #expect(!before.isGone(seenBy: now, isUnlocked: true))
    #expect(before.isGone(seenBy: now, isUnlocked: true) { $0 == "slurm 7" })
    // A job does not ask for its own end, and of this machine the kernel knows more.
    now.job = "slurm 7"
    before.restart = "1"
    #expect(!before.isGone(seenBy: now, isUnlocked: false) { _ in true })
    var here = own
    here.job = "slurm 7"
    #expect(!here.isGone(seenBy: own, isUnlocked: false) { _ in true })
  }
}
