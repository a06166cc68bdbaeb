// Check: all ranks have the same libraries.

import Training

extension Check {
  /// The versions of the libraries.
  static let libraries = Check("libraries") { facts in
    let own = facts.ranks[0].libraries
    for name in own.keys.sorted() {
      guard let others = facts.others({ $0.libraries[name] }) else { continue }
      let measured = "another \(name) than the first rank's \(own[name]!): \(others)"
      return name == "MPI"
        ? .impossible(
          measured, "Load the same MPI library on all machines.", exitCode: ExitCode.unavailable)
        : .warning(
          measured,
          "The run works, but its bits are not those of equal machines: load the same library on all."
        )
    }
    return .good(
      own.sorted { $0.key < $1.key }.map {
        $0.value.contains($0.key) ? $0.value : "\($0.key) \($0.value)"
      }
      .joined(separator: ", "))
  }
}
