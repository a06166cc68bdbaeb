// Starts this program again, as a small process that may fail, and waits for its end.

import CLinux
import Glibc

/// This program in a process of its own.
///
/// The process is spawned, not forked: nothing of this one's memory, threads, locks or network is in
/// it, so that it may be started at any time, also while MPI runs. It knows nothing of MPI: without
/// the launcher's variables it would be a job of its own.
enum ChildProcess {
  /// How a process has ended.
  enum Cause: Equatable {
    case exit(Int32)
    case signal(Int32)
  }

  /// The end of a process.
  struct End {
    /// How it came.
    let cause: Cause
    /// What it wrote to stdout, the last 4096 bytes.
    let text: String
  }

  /// Runs the program with some arguments; its stdin and stderr lead nowhere.
  static func run(_ arguments: [String]) throws(SystemFailure) -> End {
    var ends: [Int32] = [-1, -1]
    // int pipe(int pipefd[2])
    try systemCall { pipe(&ends) }
    let (input, output) = (ends[0], ends[1])
    var process = pid_t()
    let code = spawn(arguments, &process, stdout: output, closing: input)
    close(output)
    defer { close(input) }
    guard code == 0 else { throw SystemFailure(code: code) }
    let text = read(from: input)
    var status: Int32 = 0
    // pid_t waitpid(pid_t pid, int *wstatus, int options)
    try systemCall { waitpid(process, &status, 0) }
    let signal = status & 0x7F
    return End(cause: signal == 0 ? .exit(status >> 8 & 0xFF) : .signal(signal), text: text)
  }

  /// The last 4096 bytes until the other end of a pipe is closed.
  private static func read(from descriptor: Int32) -> String {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    // ssize_t read(int fd, void *buf, size_t count): 0 at the end.
    while let count = try? systemCall({ Glibc.read(descriptor, &buffer, buffer.count) }), count > 0
    {
      bytes += buffer[..<count]
      bytes.removeFirst(max(0, bytes.count - 4096))
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Starts the process; gives 0 or the number of an error.
  private static func spawn(
    _ arguments: [String], _ process: inout pid_t, stdout: Int32, closing input: Int32
  ) -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, stdout, STDOUT_FILENO)
    if input > STDERR_FILENO { posix_spawn_file_actions_addclose(&actions, input) }
    if stdout > STDERR_FILENO { posix_spawn_file_actions_addclose(&actions, stdout) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
    // Signals by which a scheduler tells all processes of a job to save are not for this one.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var blocked = sigset_t()
    sigemptyset(&blocked)
    sigaddset(&blocked, SIGUSR1)
    sigaddset(&blocked, SIGUSR2)
    posix_spawnattr_setsigmask(&attributes, &blocked)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    return withCStrings(["ddpm-dist"] + arguments) { arguments in
      withCStrings(environment()) { environment in
        // int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
        //   const posix_spawnattr_t *attrp, char *const argv[], char *const envp[])
        posix_spawn(&process, "/proc/self/exe", &actions, &attributes, arguments, environment)
      }
    }
  }

  /// The environment without what launchers of MPI have put there.
  private static func environment() -> [String] {
    var variables = ["OPENBLAS_NUM_THREADS=1", "SWIFT_BACKTRACE=enable=no"]
    var next = CLinux_environment()
    while let variable = next?.pointee {
      let text = String(cString: variable)
      let isLeftOut = ["OMPI_", "PMIX_", "PMI_", "OPENBLAS_", "SWIFT_BACKTRACE="]
        .contains { text.hasPrefix($0) }
      if !isLeftOut { variables.append(text) }
      next = next?.advanced(by: 1)
    }
    return variables
  }

  /// Lends strings as an array of C strings, ended by a null pointer.
  private static func withCStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
  ) -> Result {
    let pointers = strings.map { strdup($0) }
    defer { for pointer in pointers { free(pointer) } }
    return body(pointers + [nil])
  }
}
