// Whether this machine can run this program.

import Foundation
import Tensors

/// Whether this CPU has the instructions that the binary was built for.
public enum LaunchCheck {
  /// Ends the process with a sentence instead of an illegal instruction later.
  static func requireSuitableCPU() {
    let missing = missingFeatures()
    guard !missing.isEmpty else { return }
    let text =
      "error: this binary was built for a CPU with \(missing.joined(separator: ", ")), which this "
      + "node lacks: build again with DDPM_MARCH=x86-64-v3 launch/build.sh, or on this node.\n"
    StandardStreams.tell(text)
    exit(ExitCode.software)
  }

  /// The instruction sets that the compiler used and /proc/cpuinfo does not list.
  package static func missingFeatures() -> [String] {
    guard !CPUFeatures.compiled.isEmpty,
      let info = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
      let line = info.split(separator: "\n").first(where: { $0.hasPrefix("flags") })
    else { return [] }
    let present = Set(line.split(whereSeparator: \.isWhitespace))
    return CPUFeatures.compiled.filter { !present.contains(Substring($0)) }
  }
}
