// Check: the run's folder can be written to.

import Foundation

extension Check {
  /// A file that was written there, forced to the disk, and looked for on the other machines.
  static let folder = Check("folder") { facts in
    guard let probe = facts.probe else { return nil }
    if let refusal = probe.refusal {
      return .impossible(
        "\(facts.ranks[0].host): \(refusal)", "Mend that, or choose another folder with --run.",
        exitCode: probe.exitCode)
    }
    let speed =
      probe.bytes > 1 << 20
      ? ", \(bytes(probe.bytes)) in \(String(format: "%.2g", probe.seconds)) s" : ""
    let measured = "\(probe.folder) can be written to\(speed)"
    guard probe.unseenBy.isEmpty else {
      return .warning(
        "\(measured), and is another folder on \(probe.unseenBy.joined(separator: ", "))",
        "The first rank's machine keeps the run: choose a shared folder, or a start whose first rank is "
          + "elsewhere finds no run there.")
    }
    return .good(measured)
  }
}
