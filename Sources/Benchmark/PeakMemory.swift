// How much memory a process has needed.

import Foundation
import MPI

/// The highest resident memory of a process since it began.
enum PeakMemory {
  /// That of this process, in bytes; 0 where the kernel does not tell.
  static var bytes: Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
    return line.split(whereSeparator: \.isWhitespace).dropFirst().first
      .flatMap { Int($0) }.map { $0 << 10 } ?? 0
  }

  /// That of the rank with the most; collective.
  static func bytes(over communicator: Communicator) throws(MPIError) -> Int {
    try communicator.allReduce(bytes, .maximum)
  }
}
