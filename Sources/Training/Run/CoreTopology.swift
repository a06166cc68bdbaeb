// The cores that a process may use: physical ones, each once however many threads it runs.

import Foundation

/// What the kernel says of the CPUs of this process.
///
/// Two threads of a core share its units for floating-point numbers: a second worker on it makes the others slower
/// and the step no faster. So workers are counted by cores, as Open MPI counts slots.
package struct CoreTopology: Equatable, Sendable {
  /// One CPU of each core that this process may use, rising: the first that the kernel names.
  package let cores: [Int]
  /// The cores of the machine that are switched on.
  package let onlineCores: Int
  /// The sockets that those cores are on.
  package let sockets: Int
  /// How many CPUs' time the control groups of this process allow; nil where they set no limit.
  package let quota: Double?

  /// Reads it.
  ///
  /// - Parameter root: What stands before `/proc` and `/sys`, for tests.
  package init(root: String = "") {
    func text(_ path: String) -> String? {
      try? String(contentsOfFile: root + path, encoding: .utf8)
    }
    func core(of cpu: Int) -> Int {
      let siblings = text("/sys/devices/system/cpu/cpu\(cpu)/topology/thread_siblings_list")
      return siblings.map { Self.numbers(in: $0) }?.min() ?? cpu
    }
    let status = text("/proc/self/status") ?? ""
    let mask = status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }
    var allowed = Self.numbers(
      in: mask.map { String($0.dropFirst("Cpus_allowed_list:".count)) } ?? "")
    if allowed.isEmpty { allowed = Array(0..<ProcessInfo.processInfo.activeProcessorCount) }
    let online = Self.numbers(in: text("/sys/devices/system/cpu/online") ?? "")
    cores = Set(allowed.map(core)).sorted()
    onlineCores = max(cores.count, Set(online.map(core)).count)
    let packages = online.map {
      text("/sys/devices/system/cpu/cpu\($0)/topology/physical_package_id") ?? ""
    }
    sockets = max(1, Set(packages).count)
    quota = Self.quota(text)
  }

  /// How many workers the ranks of a machine may have together by the quota; nil where there is none.
  package var workerLimit: Int? { quota.map { max(1, Int($0)) } }

  /// The numbers of a list as the kernel writes it: `0-3,8`.
  static func numbers(in list: String) -> [Int] {
    list.split(separator: ",").flatMap { part -> [Int] in
      let ends = part.split(separator: "-").map {
        Int($0.trimmingCharacters(in: .whitespacesAndNewlines))
      }
      guard 1...2 ~= ends.count, let first = ends[0], let last = ends[ends.count - 1],
        first <= last,
        last - first < 1 << 16
      else { return [] }
      return Array(first...last)
    }
  }

  /// The least of the limits of all groups that this process is in (`cgroups(7)`).
  private static func quota(_ text: (String) -> String?) -> Double? {
    var limits: [Double] = []
    for line in (text("/proc/self/cgroup") ?? "").split(separator: "\n") {
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { continue }
      let isUnified = parts[1].isEmpty
      guard isUnified || parts[1].split(separator: ",").contains("cpu") else { continue }
      // In a container the group may be seen as the root: then the first paths are not there.
      var group = String(parts[2])
      while true {
        let path = group == "/" ? "" : group
        for place in isUnified ? ["", "/unified"] : ["/cpu", "/cpu,cpuacct"] {
          let folder = "/sys/fs/cgroup\(place)\(path)"
          let words: [Substring]
          if isUnified {
            words = (text("\(folder)/cpu.max") ?? "").split(whereSeparator: \.isWhitespace)
          } else {
            words = ["quota", "period"].flatMap {
              (text("\(folder)/cpu.cfs_\($0)_us") ?? "").split(whereSeparator: \.isWhitespace)
            }
          }
          if words.count == 2, let quota = Double(words[0]), let period = Double(words[1]),
            quota > 0,
            period > 0
          {
            limits.append(quota / period)
          }
        }
        guard path.count > 1, let slash = path.lastIndex(of: "/") else { break }
        group = slash == path.startIndex ? "/" : String(path[..<slash])
      }
    }
    return limits.min()
  }
}
