// What is free on machines of which only the files that describe them are there.

import Foundation
import Preflight
import TestSupport
import Testing

@Suite struct MachineMemoryTests {
  private let folder = try! TemporaryFolder()

  private func memory(_ files: [String: String]) throws -> MachineMemory? {
    for (name, text) in files {
      let url = URL(fileURLWithPath: folder.file(name))
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: url)
    }
    return MachineMemory(root: folder.file(""))
  }

  private static let kernel = "MemTotal:  16000000 kB\nMemAvailable:    1000 kB\n"

  @Test func theKernelKnowsWhatIsAvailable() throws {
    #expect(
      try memory(["proc/meminfo": Self.kernel])
        == MachineMemory(freeBytes: 1_024_000, source: "MemAvailable"))
    #expect(try memory(["proc/meminfo": "MemTotal: 5 kB\n"]) == nil)
  }

  /// The least of the group and those above it counts; its pages of files can be freed.
  @Test func groupsOfVersionTwoLimitIt() throws {
    let found = try memory([
      "proc/meminfo": Self.kernel, "proc/self/cgroup": "0::/jobs/job-7/step\n",
      "sys/fs/cgroup/jobs/job-7/step/memory.max": "max\n",
      "sys/fs/cgroup/jobs/job-7/step/memory.current": "100\n",
      "sys/fs/cgroup/jobs/job-7/memory.max": "500000\n",
      "sys/fs/cgroup/jobs/job-7/memory.current": "300000\n",
      "sys/fs/cgroup/jobs/job-7/memory.stat": "anon 200000\ninactive_file 50000\n",
      "sys/fs/cgroup/jobs/memory.max": "900000\n",
      "sys/fs/cgroup/jobs/memory.current": "100000\n",
    ])
    #expect(found == MachineMemory(freeBytes: 250_000, source: "control group /jobs/job-7"))
  }

  /// A group that has more than its limit has nothing left.
  @Test func groupsOfVersionOneLimitIt() throws {
    let found = try memory([
      "proc/meminfo": Self.kernel, "proc/self/cgroup": "5:memory:/slurm/job\n3:cpu:/x\n",
      "sys/fs/cgroup/memory/slurm/job/memory.limit_in_bytes": "70000\n",
      "sys/fs/cgroup/memory/slurm/job/memory.usage_in_bytes": "80000\n",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
      "sys/fs/cgroup/memory/memory.usage_in_bytes": "1000\n",
    ])
    #expect(found == MachineMemory(freeBytes: 0, source: "control group /slurm/job"))
  }

  /// In a container the group is the root that is seen.
  @Test func theRootOfAContainerCounts() throws {
    let found = try memory([
      "proc/meminfo": Self.kernel, "proc/self/cgroup": "0::/not/here\n",
      "sys/fs/cgroup/memory.max": "4096\n", "sys/fs/cgroup/memory.current": "96\n",
    ])
    #expect(found == MachineMemory(freeBytes: 4000, source: "control group /"))
  }

  @Test func thisMachineTells() throws {
    let memory = try #require(MachineMemory())
    #expect(memory.freeBytes > 1 << 20)
  }

  @Test func adaptersOfNetworksAreListed() throws {
    for name in ["infiniband/mlx5_0", "infiniband/mlx5_1", "net/eth0"] {
      try FileManager.default.createDirectory(
        atPath: folder.file("sys/class/\(name)"), withIntermediateDirectories: true)
    }
    #expect(RankFacts.fabrics(root: folder.file("")) == ["mlx5_0", "mlx5_1"])
  }
}
