// Check: there is room for what the run writes.

import Training

extension Check {
  /// The bytes and files of the run against those that its file system has left.
  static let disk = Check("disk") { facts in
    guard let needs = facts.needs else { return nil }
    guard let space = needs.space else {
      return .unknown("the file system of the run's folder does not tell what is free")
    }
    let more = max(0, needs.diskBytes - needs.presentBytes)
    let measured =
      "\(bytes(more)) of \(bytes(space.bytes)), checkpoints of \(bytes(needs.checkpointBytes))"
    if max(0, needs.leastDiskBytes - needs.presentBytes) > space.bytes {
      return .impossible(
        measured, "Make room, or choose another --run.", exitCode: ExitCode.unavailable)
    }
    if let files = space.files, needs.files > files {
      return .impossible(
        "\(needs.files) files, \(files) may be made", "Remove files, or choose another --run.",
        exitCode: ExitCode.unavailable)
    }
    if more > space.bytes {
      return .warning(
        measured,
        "Make room, or set keep_checkpoints lower: older checkpoints will be given up for the newest."
      )
    }
    if Double(more) > 0.9 * Double(space.bytes) {
      return .warning(measured, "Others may write there too: make some room.")
    }
    return .good(measured)
  }
}
