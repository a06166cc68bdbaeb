// One worker a core, on machines of which only the files that describe them are there.

import Foundation
import TestSupport
import Testing
import Training

@Suite struct CoreTopologyTests {
  private let folder = try! TemporaryFolder()

  /// A machine of some cores with two threads each: thread i and i + cores are of core i.
  private func machine(
    cores: Int, allowed: String, _ files: [String: String] = [:]
  ) throws -> CoreTopology {
    var files = files
    files["proc/self/status"] =
      "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t\(allowed)\nMems_allowed:\t1\n"
    files["sys/devices/system/cpu/online"] = "0-\(2 * cores - 1)\n"
    for cpu in 0..<2 * cores {
      files["sys/devices/system/cpu/cpu\(cpu)/topology/thread_siblings_list"] =
        "\(cpu % cores),\(cpu % cores + cores)\n"
    }
    for (name, text) in files {
      let url = URL(fileURLWithPath: folder.file(name))
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: url)
    }
    return CoreTopology(root: folder.file(""))
  }

  @Test(arguments: [
    ("0-7", [0, 1, 2, 3]), ("0-3", [0, 1, 2, 3]), ("4-7", [0, 1, 2, 3]), ("1,5", [1]),
    ("0,2-3,6", [0, 2, 3]),
  ])
  func threadsOfACoreCountOnce(_ allowed: String, _ cores: [Int]) throws {
    let topology = try machine(cores: 4, allowed: allowed)
    #expect(topology.cores == cores && topology.onlineCores == 4)
    #expect(topology.quota == nil && topology.workerLimit == nil)
  }

  /// The least limit of all groups on the way to the root counts, of either version.
  @Test func quotasAreRespected() throws {
    let unified = try machine(
      cores: 4, allowed: "0-7",
      [
        "proc/self/cgroup": "0::/jobs/job-7/step\n",
        "sys/fs/cgroup/jobs/job-7/step/cpu.max": "max 100000\n",
        "sys/fs/cgroup/jobs/job-7/cpu.max": "250000 100000\n",
        "sys/fs/cgroup/jobs/cpu.max": "800000 100000\n",
      ])
    #expect(unified.quota == 2.5 && unified.workerLimit == 2)
    let old = try machine(
      cores: 4, allowed: "0-7",
      [
        "proc/self/cgroup": "5:memory:/a\n3:cpu,cpuacct:/docker/x\n",
        "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
      ])
    #expect(old.quota == 0.5 && old.workerLimit == 1)
  }

  /// Where the kernel says nothing, the processors count.
  @Test func nothingSaidIsNoFault() {
    let topology = CoreTopology(root: folder.file("nothing"))
    #expect(topology.cores == Array(0..<ProcessInfo.processInfo.activeProcessorCount))
    #expect(CoreTopology().cores.count >= 1)
  }
}
