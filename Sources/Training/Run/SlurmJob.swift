// Whether a job of Slurm has ended, as squeue knows it.

import Foundation

/// What can be asked of Slurm about another job.
package enum SlurmJob {
  /// The states of a job that is over (squeue(1), "Job state codes").
  private static let over: Set<Substring> = [
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
    "PREEMPTED", "TIMEOUT",
  ]

  /// Whether a job is known to have ended.
  ///
  /// - Parameter job: The job as a lock names it, `slurm 123`.
  /// - Returns: false also where this is no job of Slurm, or where Slurm does not answer.
  package static func hasEnded(_ job: String) -> Bool {
    let words = job.split(separator: " ")
    guard words.count == 2, words[0] == "slurm",
      words[1].allSatisfy({ $0.isASCII && ($0.isNumber || $0 == "_") })
    else { return false }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["squeue", "--noheader", "--format=%T", "--jobs=\(words[1])"]
    process.standardInput = FileHandle.nullDevice
    let (output, errors) = (Pipe(), Pipe())
    (process.standardOutput, process.standardError) = (output, errors)
    guard (try? process.run()) != nil else { return false }
    // A few words: neither pipe can fill up while the other one is read.
    func text(_ pipe: Pipe) -> String {
      String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    }
    let (states, message) = (text(output), text(errors))
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      // What was over long ago is forgotten.
      return message.contains("Invalid job id specified")
    }
    return states.split(whereSeparator: \.isWhitespace).allSatisfy(over.contains)
  }
}
