// Check: all machines have the same images.

import Training

extension Check {
  /// The checksum of the images, on each machine.
  static let data = Check("data") { facts in
    guard let images = facts.images, let own = images.first else { return nil }
    let others = images.filter { $0.value != own.value }
    guard others.isEmpty else {
      return .impossible(
        "other images than on \(own.host): \(others.map { "\($0.host) (\($0.value.prefix(12)))" }.joined(separator: ", "))",
        "Copy the dataset anew to these machines, or use a shared folder.",
        exitCode: ExitCode.badData)
    }
    return .good(
      "checksum \(own.value.prefix(12))" + (images.count == 1 ? "" : " on \(images.count) machines")
    )
  }
}
