// What the programs do when they start themselves, or when a test of their readers starts them.

import Foundation
import Storage

/// The two commands that no help names. Neither is an MPI process.
enum HiddenCommands {
  /// Runs the hidden command that the command line asks for, and ends the process; where it asks for
  /// none, says that this program can check files in a process of its own.
  static func runIfAsked() {
    let words = CommandLine.arguments.dropFirst()
    if words.first == ChildCheck.word { ChildCheck.main(Array(words.dropFirst())) }
    ChildCheck.enable()
    if words.first == ReadFiles.word { exit(ReadFiles.run(Array(words.dropFirst()))) }
  }
}
