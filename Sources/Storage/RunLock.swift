// One job at a time writes to a run's folder.

import Glibc

/// The lock of a run's folder: the file `lock`, for as long as the object lives.
///
/// The file names its holder, and is locked (flock) by it. The lock of the system is the proof
/// where there is one: the kernel lets go of it when the process ends, however it ends. The text is
/// for people, and for file systems whose locks do not reach other machines.
public final class RunLock {
  /// The name of the file.
  public static let name = "lock"

  /// The file.
  public let path: String
  /// The holder of a stale lock that was taken over; nil where there was none.
  public let replaced: LockHolder?
  private let descriptor: Descriptor
  /// The folders that were made for it, the outermost first.
  private let madeFolders: [String]

  /// Takes the lock, and makes the folder where there is none.
  ///
  /// When the object goes, so do the file and the folders that were made for it, where they are
  /// empty still: what is refused leaves nothing behind.
  ///
  /// - Parameters:
  ///   - folder: The run's folder.
  ///   - holder: Who takes it.
  ///   - hasEnded: Whether the batch system knows that a job has ended.
  /// - Throws: `.cannotCreate` where another job holds the lock or may do so, or where the folder
  ///   refuses; `.inputOutput`.
  public init(
    folder: String, holder: LockHolder, hasEnded: (String) -> Bool = { _ in false }
  ) throws(StorageError) {
    let path = "\(folder)/\(Self.name)"
    let made = try Self.makeFolders(folder)
    do throws(StorageError) {
      let taken = try Self.take(path, holder, hasEnded)
      replaced = taken.from
      descriptor = taken.descriptor
    } catch {
      Self.remove(made)
      throw error
    }
    self.path = path
    madeFolders = made
  }

  /// Who holds the lock of a folder, as its file says; nil where there is none, or it names nobody.
  public static func holder(folder: String) -> LockHolder? {
    let bytes = (try? AtomicFile.contents(of: "\(folder)/\(name)")) ?? nil
    return bytes.flatMap { LockHolder(text: String(decoding: $0, as: UTF8.self)) }
  }

  deinit {
    // Whoever waits for the name finds it free only after the file is no more.
    if (try? descriptor.isFile(at: path)) == true { _ = unlink(path) }
    Self.remove(madeFolders)
  }

  /// A lock that was taken, and from whom.
  private struct Taken: ~Copyable {
    let descriptor: Descriptor
    let from: LockHolder?
  }

  private static func take(
    _ path: String, _ holder: LockHolder, _ hasEnded: (String) -> Bool
  ) throws(StorageError) -> Taken {
    // Each turn another job has just come or gone between two looks.
    for _ in 0..<100 {
      if let descriptor = try create(path, holder) {
        return Taken(descriptor: descriptor, from: nil)
      }
      if let taken = try takeOver(path, holder, hasEnded) { return taken }
    }
    throw .cannotCreate(path: path, reason: "changes hands all the time; try again")
  }

  /// A new lock file, which has its content and its lock before it has its name; nil where there is
  /// a file.
  private static func create(
    _ path: String, _ holder: LockHolder
  ) throws(StorageError) -> Descriptor? {
    if case .nothing = FileKind(path) {} else { return nil }
    let temporary = try TemporaryFile(for: path)
    let descriptor = try write(holder, to: temporary)
    guard try temporary.publishIfAbsent() else { return nil }
    return descriptor
  }

  /// Writes who takes the lock into a file that nobody else knows yet, and locks it.
  private static func write(
    _ holder: LockHolder, to temporary: borrowing TemporaryFile
  ) throws(StorageError) -> Descriptor {
    let descriptor = try temporary.open()
    do throws(SystemFailure) {
      _ = try descriptor.tryLock()
      try descriptor.write(Array(holder.text.utf8), at: 0)
      try descriptor.synchronize()
    } catch {
      throw .inputOutput(path: temporary.target, reason: "cannot write the file: \(error.reason)")
    }
    return descriptor
  }

  /// A lock file that is there.
  private struct Present: ~Copyable {
    let descriptor: Descriptor
    let lock: Descriptor.Lock
    let holder: LockHolder?
  }

  /// Opens a lock file and tries to lock it; nil where it is gone, or another one meanwhile.
  private static func look(at path: String) throws(StorageError) -> Present? {
    do throws(SystemFailure) {
      let descriptor = try Descriptor(path, O_RDWR | O_NOFOLLOW)
      let lock = try descriptor.tryLock()
      guard try descriptor.isFile(at: path) else { return nil }
      let text = String(decoding: try descriptor.read(0..<4096), as: UTF8.self)
      return Present(descriptor: descriptor, lock: lock, holder: LockHolder(text: text))
    } catch {
      if error.code == ENOENT { return nil }
      throw .cannotCreate(path: path, reason: "is there and cannot be locked: \(error.reason)")
    }
  }

  /// The lock of a job that is gone; nil where the file is gone or another one meanwhile.
  ///
  /// Its file is replaced in one step, under its lock: whoever has opened it sees that it has lost its
  /// name. Changed in place, it would name nobody after a crash in the middle.
  private static func takeOver(
    _ path: String, _ holder: LockHolder, _ hasEnded: (String) -> Bool
  ) throws(StorageError) -> Taken? {
    guard let old = try look(at: path) else { return nil }
    let found = try requireGone(old, path, holder, hasEnded)
    let temporary = try TemporaryFile(for: path)
    let descriptor = try write(holder, to: temporary)
    try temporary.publish()
    _ = consume old
    return Taken(descriptor: descriptor, from: found)
  }

  /// The holder of a lock file, who must be gone.
  private static func requireGone(
    _ old: borrowing Present, _ path: String, _ holder: LockHolder, _ hasEnded: (String) -> Bool
  ) throws(StorageError) -> LockHolder {
    guard old.lock != .taken, let found = old.holder,
      found.isGone(seenBy: holder, isUnlocked: old.lock == .granted, hasEnded: hasEnded)
    else {
      throw .cannotCreate(
        path: path, reason: refusal(of: old.holder, isCertain: old.lock == .taken, holder))
    }
    return found
  }

  /// Refuses what `init` would refuse, and makes and takes nothing.
  ///
  /// - Parameters: As of `init`.
  /// - Throws: `.cannotCreate` where another job holds the lock or may do so, or where the folder could not
  ///   be made or written to.
  package static func requireFree(
    folder: String, holder: LockHolder, hasEnded: (String) -> Bool = { _ in false }
  ) throws(StorageError) {
    let path = "\(folder)/\(name)"
    if let old = try look(at: path) { _ = try requireGone(old, path, holder, hasEnded) }
    let place = nearestFolder(folder)
    do throws(SystemFailure) {
      // int access(const char *path, int mode): as a folder, which a file is not.
      try systemCall { access("\(place)/.", W_OK | X_OK) }
    } catch {
      throw .cannotCreate(
        path: folder,
        reason: place == folder
          ? "cannot be written to (\(error.reason)); choose another --run"
          : "the run folder cannot be made (\(place): \(error.reason)); choose another --run")
    }
  }

  private static func refusal(
    of found: LockHolder?, isCertain: Bool, _ holder: LockHolder
  ) -> String {
    guard let found else {
      return isCertain
        ? "is held by another process: a run takes one job at a time"
        : "does not say who holds it; if no job works in this folder, remove this file"
    }
    let remedy =
      isCertain || found.host == holder.host
      ? "wait for its end, or end it" : "if that process is gone, remove this file"
    return "is held by \(found): a run takes one job at a time; \(remedy)"
  }

  // MARK: The folder

  /// Makes a folder and those above it.
  ///
  /// - Returns: Those that were not there, the outermost first.
  private static func makeFolders(_ folder: String) throws(StorageError) -> [String] {
    var missing: [String] = []
    var path = folder
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    while case .nothing(let failure) = FileKind(path), failure.code == ENOENT, path != "." {
      missing.insert(path, at: 0)
      path = parentFolder(of: path)
    }
    var made: [String] = []
    do throws(SystemFailure) {
      for path in missing {
        do throws(SystemFailure) {
          // int mkdir(const char *path, mode_t mode)
          try systemCall { mkdir(path, 0o777) }
          made.append(path)
        } catch {
          if error.code != EEXIST { throw error }
        }
      }
      // int access(const char *path, int mode): as a folder, which a file is not.
      try systemCall { access("\(folder)/.", F_OK) }
    } catch {
      remove(made)
      throw .cannotCreate(
        path: folder,
        reason: "the run folder cannot be made (\(error.reason)); choose another --run")
    }
    do throws(StorageError) {
      // A run whose name is not durable is lost as a whole when the power fails.
      for path in made { try synchronizeFolder(of: path) }
    } catch {
      remove(made)
      throw error
    }
    return made
  }

  /// Removes folders that are empty, the innermost first.
  private static func remove(_ folders: [String]) {
    // int rmdir(const char *path): refuses a folder with something in it.
    for folder in folders.reversed() { _ = rmdir(folder) }
  }
}
