// What the commands write to stdout and stderr, and what happens where that is impossible.

import Foundation
import Storage

/// The streams that a process is born with: full, closed or abandoned, they end no run.
///
/// Messages to stderr may get lost. Results to stdout may not: where they cannot be written, the
/// command fails. A reader that has gone has seen what it wanted; that is no failure.
public enum StandardStreams {
  /// Makes the streams safe; called before anything else.
  ///
  /// A stream that is closed would give its number to the next file that is opened, and messages
  /// would be written into that file: it becomes /dev/null. And a reader that goes must not end the
  /// process by a signal.
  static func prepare() {
    for number in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO] {
      // int fcntl(int fd, int cmd, ...): fails only where there is no such descriptor.
      guard fcntl(number, F_GETFD) < 0 else { continue }
      // int open(const char *path, int flags): takes the lowest free number, which is this one.
      _ = open("/dev/null", O_RDWR)
    }
    // sighandler_t signal(int signum, sighandler_t handler)
    signal(SIGPIPE, SIG_IGN)
    // A file that may not grow is a fault of the disk, with a line, and no signal.
    signal(SIGXFSZ, SIG_IGN)
  }

  /// Writes a result to stdout, at once; control characters in it are written out.
  ///
  /// - Throws: `StorageError.inputOutput`, as for a full disk; not where the reader has gone.
  public static func print(_ text: String) throws(StorageError) {
    let text = text.escapingControls(keepingLines: true)
    guard let code = write(text, to: STDOUT_FILENO), code != EPIPE else { return }
    throw .inputOutput(
      path: "standard output", reason: "cannot be written: \(String(cString: strerror(code)))")
  }

  /// Writes a message to stderr, if that is possible; control characters in it are written out.
  ///
  /// - Parameter inPlace: Whether the line is drawn over the one that the cursor is in.
  static func tell(_ text: String, inPlace: Bool = false) {
    let text = text.escapingControls(keepingLines: true)
    _ = write(inPlace ? "\r" + text : text, to: STDERR_FILENO)
  }

  /// Says something in a line of stderr, if that is possible.
  public static func note(_ text: String) {
    tell(text.escapingControls(keepingLines: false) + "\n")
  }

  /// Whether stderr ends at a terminal, where lines can be drawn again: directly, or through mpirun on this
  /// machine.
  static let isSeenByPeople: Bool = {
    if isatty(STDERR_FILENO) == 1 { return true }
    guard ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_RANK"] != nil else { return false }
    let launcher = "/proc/\(getppid())"
    let words = (try? String(contentsOfFile: "\(launcher)/cmdline", encoding: .utf8)) ?? ""
    // With tags in front of its lines, or into files, mpirun passes on whole lines only.
    let isPlain = !words.contains("tag-output") && !words.contains("output-filename")
    let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(launcher)/fd/2")
    return isPlain && ["/dev/pts/", "/dev/tty"].contains { target?.hasPrefix($0) == true }
  }()

  /// The extents of the terminal that stdout is; nil where it is none.
  public static var terminalSize: (columns: Int, rows: Int)? {
    guard isatty(STDOUT_FILENO) == 1 else { return nil }
    var size = winsize()
    // int ioctl(int fd, unsigned long request, ...)
    let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    return isKnown ? (Int(size.ws_col), Int(size.ws_row)) : (80, 24)
  }

  /// Draws lines from the top of the terminal that stdout is, over what was there; control characters in
  /// them are written out.
  ///
  /// - Throws: As `print`.
  public static func draw(_ lines: [String]) throws(StorageError) {
    // ECMA-48: to the top, each line to its end, and what is left of the screen.
    let text = lines.map { $0.escapingControls(keepingLines: false) + "\u{1B}[K\n" }.joined()
    guard let code = write("\u{1B}[H" + text + "\u{1B}[J", to: STDOUT_FILENO), code != EPIPE else {
      return
    }
    throw .inputOutput(
      path: "standard output", reason: "cannot be written: \(String(cString: strerror(code)))")
  }

  /// Writes all of a text; gives the `errno` of the failure, nil where there was none.
  private static func write(_ text: String, to descriptor: Int32) -> Int32? {
    var text = text
    return text.withUTF8 { bytes in
      var rest = bytes[...]
      while !rest.isEmpty {
        let part = UnsafeBufferPointer(rebasing: rest)
        // ssize_t write(int fd, const void *buf, size_t count): may write less than asked.
        let count = Foundation.write(descriptor, part.baseAddress, part.count)
        if count >= 0 {
          rest = rest.dropFirst(count)
          continue
        }
        switch errno {
        case EINTR: break
        case EAGAIN:
          // A pipe or terminal that somebody has told not to wait: wait here.
          var ready = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
          // int poll(struct pollfd *fds, nfds_t nfds, int timeout)
          _ = poll(&ready, 1, -1)
        default: return errno
        }
      }
      return nil
    }
  }
}
