// How much memory a process has needed.

import Foundation
import MPI

/// The highest resident memory of a process since it began.
package enum PeakMemory {
  /// That of this process, in bytes; 0 where the kernel does not tell.
  package static var bytes: Int { number("VmHWM:") }

  /// The resident memory of this process now, in bytes; 0 where the kernel does not tell.
  package static var currentBytes: Int { number("VmRSS:") }

  /// That of it which is no file's: what the process has taken for itself.
  package static var anonymousBytes: Int { number("RssAnon:") }

  private static func number(_ name: String) -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix(name) } ?? ""
    return line.split(whereSeparator: \.isWhitespace).dropFirst().first
      .flatMap { Int($0) }.map { $0 << 10 } ?? 0
  }

  /// That of the rank with the most; collective.
  static func bytes(over communicator: Communicator) throws(MPIError) -> Int {
    try communicator.allReduce(bytes, .maximum)
  }
}
