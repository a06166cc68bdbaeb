// The calls of the operating system that this module needs, each with its error text.

import Glibc

/// The text of an `errno` value.
func systemReason(_ code: Int32) -> String {
  String(cString: strerror(code))
}

/// Repeats a call that a signal interrupted, and turns a negative result into an error.
@discardableResult
func systemCall<Value: SignedInteger>(_ body: () -> Value) throws(SystemFailure) -> Value {
  while true {
    let value = body()
    if value >= 0 { return value }
    let code = errno
    if code != EINTR { throw SystemFailure(code: code) }
  }
}

/// The `errno` of a failed call.
struct SystemFailure: Error {
  /// The value of `errno`.
  let code: Int32
  /// Its text, as `No space left on device`.
  var reason: String { systemReason(code) }
}

/// A file descriptor that is closed exactly once.
struct Descriptor: ~Copyable {
  /// The descriptor's number.
  let number: Int32

  /// Opens a file; see open(2).
  init(_ path: String, _ flags: Int32) throws(SystemFailure) {
    // int open(const char *path, int flags, mode_t mode)
    number = try systemCall { open(path, flags | O_CLOEXEC, 0o666) }
  }

  /// Forces what was written to the disk.
  func synchronize() throws(SystemFailure) {
    // int fsync(int fd)
    try systemCall { fsync(number) }
  }

  /// Forces what was written into a file of an unchanged size to the disk.
  func synchronizeData() throws(SystemFailure) {
    // int fdatasync(int fd)
    try systemCall { fdatasync(number) }
  }

  /// Cuts the file off, durably.
  func truncate(to size: Int) throws(SystemFailure) {
    // int ftruncate(int fd, off_t length)
    try systemCall { ftruncate(number, size) }
    try synchronize()
  }

  /// Writes bytes to a place in the file.
  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(SystemFailure) {
    var (rest, offset) = (bytes[...], offset)
    while !rest.isEmpty {
      let chunk = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
      // ssize_t pwrite(int fd, const void *buf, size_t count, off_t offset): may write less.
      let count = try systemCall { pwrite(number, chunk.baseAddress, chunk.count, offset) }
      rest = rest.dropFirst(count)
      offset += count
    }
  }

  /// Writes values to a place in the file.
  func write<Value: BitwiseCopyable>(_ values: [Value], at offset: Int) throws(SystemFailure) {
    try values.withUnsafeBufferPointer { (buffer) throws(SystemFailure) in
      try write(UnsafeRawBufferPointer(buffer), at: offset)
    }
  }

  /// The bytes at a place in the file; fewer than asked for where the file ends before.
  func read(_ range: Range<Int>) throws(SystemFailure) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: range.count)
    var filled = 0
    while filled < bytes.count {
      let wanted = min(bytes.count - filled, 1 << 30)
      // ssize_t pread(int fd, void *buf, size_t count, off_t offset): 0 at the end of the file.
      let count = try systemCall {
        bytes.withUnsafeMutableBytes {
          pread(number, $0.baseAddress! + filled, wanted, range.lowerBound + filled)
        }
      }
      if count == 0 { break }
      filled += count
    }
    bytes.removeLast(bytes.count - filled)
    return bytes
  }

  /// What the system knows of the file: its size, its identity, its times.
  func status() throws(SystemFailure) -> stat {
    var status = stat()
    // int fstat(int fd, struct stat *buf)
    try systemCall { fstat(number, &status) }
    return status
  }

  /// Gives a lock up before the descriptor is closed.
  func unlock() {
    // int flock(int fd, int operation): fails only where there are no locks.
    _ = flock(number, LOCK_UN)
  }

  /// What came of an attempt to lock a file.
  enum Lock {
    /// The file is locked against others until the descriptor is closed.
    case granted
    /// Another open file holds the lock.
    case taken
    /// The file system knows no locks.
    case unknown
  }

  /// Locks the file against others, or says why not.
  func tryLock() throws(SystemFailure) -> Lock {
    do throws(SystemFailure) {
      // int flock(int fd, int operation)
      try systemCall { flock(number, LOCK_EX | LOCK_NB) }
    } catch {
      switch error.code {
      case EWOULDBLOCK: return .taken
      case ENOSYS, EOPNOTSUPP, ENOLCK: return .unknown
      default: throw error
      }
    }
    return .granted
  }

  /// Locks the file against other processes until the descriptor is closed.
  ///
  /// - Returns: false where another one has locked it. A file system without locks grants any.
  func lock() throws(SystemFailure) -> Bool { try tryLock() != .taken }

  /// Whether a path leads to this file.
  func isFile(at path: String) throws(SystemFailure) -> Bool {
    let own = try status()
    var other = stat()
    // int stat(const char *path, struct stat *buf)
    return stat(path, &other) == 0 && own.st_dev == other.st_dev && own.st_ino == other.st_ino
  }

  /// Closes the descriptor and checks the status, which on network disks may be a write error.
  consuming func close() throws(SystemFailure) {
    let number = self.number
    discard self
    // int close(int fd): not repeated after a signal, because the descriptor is gone by then.
    if Glibc.close(number) != 0, errno != EINTR { throw SystemFailure(code: errno) }
  }

  deinit {
    // The way out after an error, or a file that was only read.
    _ = Glibc.close(number)
  }
}

/// What a path names, before a library opens it.
enum FileKind {
  case file(bytes: Int)
  case folder
  case special
  case nothing(SystemFailure)

  /// Asks the system.
  init(_ path: String) {
    var status = stat()
    // int stat(const char *path, struct stat *buf)
    do throws(SystemFailure) {
      try systemCall { stat(path, &status) }
    } catch {
      self = .nothing(error)
      return
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: self = .file(bytes: Int(status.st_size))
    case S_IFDIR: self = .folder
    default: self = .special
    }
  }
}

/// The size of a file that is about to be read; everything but a readable file is refused.
///
/// - Parameter role: What the file should be: `a dataset`.
func requireFile(_ path: String, role: String) throws(StorageError) -> Int {
  switch FileKind(path) {
  case .nothing(let failure):
    throw .missingInput(path: path, reason: "cannot find \(role) there: \(failure.reason)")
  case .folder:
    throw .badData(path: path, reason: "is a folder, not \(role)")
  case .special:
    throw .badData(path: path, reason: "is neither a file nor a folder, so not \(role)")
  case .file(let bytes):
    do throws(SystemFailure) {
      // int access(const char *path, int mode)
      try systemCall { access(path, R_OK) }
    } catch {
      throw .missingInput(path: path, reason: "cannot be read: \(error.reason)")
    }
    return bytes
  }
}

/// Whether two paths lead to the same file, through whatever links.
func isSameFile(_ a: String, _ b: String) -> Bool {
  var (first, second) = (stat(), stat())
  // int stat(const char *path, struct stat *buf)
  guard stat(a, &first) == 0, stat(b, &second) == 0 else { return false }
  return first.st_dev == second.st_dev && first.st_ino == second.st_ino
}

/// Whether a file, or what a link leads to, is in a folder or below it.
func isInside(_ path: String, _ folder: String) -> Bool {
  guard let outer = realPath(folder), case .folder = FileKind(outer) else { return false }
  return [path, parentFolder(of: path)].contains { inner in
    realPath(inner).map { ($0 + "/").hasPrefix(outer == "/" ? "/" : outer + "/") } ?? false
  }
}

/// A path without links and dots; nil where there is nothing.
private func realPath(_ path: String) -> String? {
  // char *realpath(const char *path, char *resolved_path): to be freed.
  guard let resolved = realpath(path, nil) else { return nil }
  defer { free(resolved) }
  return String(cString: resolved)
}

/// Removes a file; one that is not there is no fault.
func removeFile(_ path: String) throws(StorageError) {
  do throws(SystemFailure) {
    // int unlink(const char *path)
    try systemCall { unlink(path) }
  } catch {
    if error.code == ENOENT { return }
    throw .inputOutput(path: path, reason: "cannot be removed: \(error.reason)")
  }
}

/// The folder that a path lies in.
func parentFolder(of path: String) -> String {
  guard let slash = path.lastIndex(of: "/") else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}

/// The names in a folder, sorted, without `.` and `..`.
func folderNames(_ path: String) throws(StorageError) -> [String] {
  // DIR *opendir(const char *name)
  guard let folder = opendir(path) else {
    throw .missingInput(path: path, reason: "cannot list the folder: \(systemReason(errno))")
  }
  defer { closedir(folder) }
  var names: [String] = []
  while true {
    errno = 0
    // struct dirent *readdir(DIR *dirp): null at the end, with errno set after a failure.
    guard let entry = readdir(folder) else { break }
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name != ".", name != ".." { names.append(name) }
  }
  if errno != 0 {
    throw .inputOutput(path: path, reason: "cannot list the folder: \(systemReason(errno))")
  }
  return names.sorted()
}
