// How much memory a machine has left for this job.

import Foundation

/// The memory that the processes of a job may still take on a machine.
package struct MachineMemory: Codable, Equatable, Sendable {
  /// The bytes that are free, or can be freed.
  package let freeBytes: Int
  /// Who says so: `MemAvailable`, or the control group whose limit is nearest.
  package let source: String

  package init(freeBytes: Int, source: String) {
    (self.freeBytes, self.source) = (freeBytes, source)
  }

  /// Reads it; nil where the kernel does not tell.
  ///
  /// - Parameter root: What stands before `/proc` and `/sys`, for tests.
  package init?(root: String = "") {
    func text(_ path: String) -> String? {
      try? String(contentsOfFile: root + path, encoding: .utf8)
    }
    var found: [MachineMemory] = []
    let lines = (text("/proc/meminfo") ?? "").split(separator: "\n")
    if let line = lines.first(where: { $0.hasPrefix("MemAvailable:") }),
      let kilobytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    {
      found.append(MachineMemory(freeBytes: kilobytes << 10, source: "MemAvailable"))
    }
    for line in (text("/proc/self/cgroup") ?? "").split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let isUnified = parts[1].isEmpty
      guard isUnified || parts[1].split(separator: ",").contains("memory") else { continue }
      // In a container the group may be seen as the root: then the first paths are not there.
      for group in Self.groupsToRoot(String(parts[2])) {
        for place in isUnified ? ["", "/unified"] : ["/memory"] {
          let folder = "/sys/fs/cgroup\(place)\(group)"
          if let free = Self.free(folder, isUnified: isUnified, text) {
            found.append(
              MachineMemory(
                freeBytes: free, source: "control group \(group.isEmpty ? "/" : group)"))
          }
        }
      }
    }
    guard let least = found.min(by: { $0.freeBytes < $1.freeBytes }) else { return nil }
    self = least
  }

  /// A group and those above it, the root as an empty path.
  private static func groupsToRoot(_ path: String) -> [String] {
    var groups = [path == "/" ? "" : path]
    while let slash = groups.last?.lastIndex(of: "/") {
      groups.append(String(groups.last![..<slash]))
    }
    return groups
  }

  /// What the limit of a group leaves, the pages of files that can be freed counted as free; nil where there is
  /// no limit.
  private static func free(
    _ folder: String, isUnified: Bool, _ text: (String) -> String?
  ) -> Int? {
    func number(_ name: String) -> Int? {
      text("\(folder)/\(name)").flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) }
    }
    let names =
      isUnified
      ? ("memory.max", "memory.current") : ("memory.limit_in_bytes", "memory.usage_in_bytes")
    // Version 1 writes a number near 2⁶³ for no limit, version 2 a word.
    guard let limit = number(names.0), limit < 1 << 60, let used = number(names.1) else {
      return nil
    }
    let key = isUnified ? "inactive_file " : "total_inactive_file "
    let cached = (text("\(folder)/memory.stat") ?? "").split(separator: "\n")
      .first { $0.hasPrefix(key) }.flatMap { Int($0.dropFirst(key.count)) }
    return max(0, limit - used + min(used, cached ?? 0))
  }
}
