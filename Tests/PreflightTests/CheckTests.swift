// What each check says of facts that are made up.

import Benchmark
import MPI
import Preflight
import Storage
import Testing

@Suite struct CheckTests {
  /// Ranks on machines of two ranks each, with nothing in the way.
  private func facts(ranks: Int = 4, _ change: (inout RankFacts) -> Void = { _ in }) -> JobFacts {
    JobFacts(
      ranks: (0..<ranks).map { rank in
        var facts = RankFacts()
        (facts.rank, facts.node) = (rank, rank / 2 * 2)
        facts.host = "node\(rank / 2 + 1)"
        (facts.program, facts.version) = ("0123456789abcdef", "0.1.0 (x)")
        facts.libraries = ["MPI": "Open MPI v4", "HDF5": "1.10.8", "OpenBLAS": "0.3.21"]
        facts.processor = "a CPU"
        (facts.cores, facts.workers) = ([2 * (rank % 2), 2 * (rank % 2) + 1], 2)
        facts.words = ["check", "--batch", "8"]
        facts.memory = MachineMemory(freeBytes: 8_000_000_000, source: "MemAvailable")
        facts.transports = Transports(
          variables: ["pml_ob1_priority", "btl_tcp_exclusivity", "btl_vader_exclusivity"])
        change(&facts)
        return facts
      })
  }

  private func needs(
    peak: Int = 1_000_000_000, checkpoint: Int = 100_000_000, disk: Int = 1_000_000_000,
    space: FreeSpace? = FreeSpace(bytes: 10_000_000_000, files: 1000)
  ) -> RunNeeds {
    RunNeeds(
      firstPeakBytes: 2 * peak, otherPeakBytes: peak, checkpointBytes: checkpoint,
      diskBytes: disk, leastDiskBytes: disk / 2, files: 20, space: space)
  }

  private func judge(_ name: String, _ facts: JobFacts) throws -> Finding {
    let check = try #require(Check.all.first { $0.name == name })
    return try #require(check.judge(facts), "\(name) has not judged")
  }

  /// Requires a verdict, an exit code, and words of what was measured and what to do.
  private func expect(
    _ name: String, _ facts: JobFacts, _ verdict: Verdict, _ code: Int32, _ parts: [String],
    at location: SourceLocation = #_sourceLocation
  ) throws {
    let finding = try judge(name, facts)
    #expect(
      finding.verdict == verdict && finding.exitCode == code, "\(finding)",
      sourceLocation: location)
    for part in parts {
      #expect(
        "\(finding.measured) \(finding.advice ?? "")".contains(part), "\(part) in \(finding)",
        sourceLocation: location)
    }
    // What cannot work has an exit code and says what to do; what is good says nothing.
    #expect((verdict == .impossible) == (code != 0), sourceLocation: location)
    #expect(
      verdict == .unknown || (verdict == .good) == (finding.advice == nil), "\(finding)",
      sourceLocation: location)
  }

  @Test func namesAreUnique() {
    #expect(Set(Check.all.map(\.name)).count == Check.all.count)
  }

  /// Of machines alone the first checks judge, and those that need a run do not.
  @Test func everythingIsGoodOfEqualMachines() throws {
    let facts = facts()
    for check in Check.all {
      guard let finding = check.judge(facts) else { continue }
      #expect(finding.verdict == .good, "\(check.name): \(finding)")
    }
    let silent = Check.all.filter { $0.judge(facts) == nil }.map(\.name)
    #expect(silent == ["run", "data", "exchange", "memory", "folder", "disk", "steps"])
  }

  @Test func otherWordsAreNamed() throws {
    let other = facts { if $0.rank == 3 { $0.words = ["check", "--batch", "16"] } }
    try expect("command", other, .impossible, 64, ["rank 3 on node2", "same command line"])
    let file = facts { $0.configuration = $0.rank == 1 ? "b" : "a" }
    try expect("command", file, .warning, 0, ["another configuration file", "rank 1 on node1"])
    // Only the first rank needs the file.
    try expect("command", facts { $0.configuration = $0.rank == 0 ? "a" : nil }, .good, 0, [])
  }

  @Test func anotherProgramIsNamed() throws {
    let other = facts { if $0.host == "node2" { $0.program = "fedcba9876543210" } }
    try expect("program", other, .impossible, 69, ["rank 2 on node2, rank 3 on node2"])
    try expect("program", facts { $0.program = nil }, .unknown, 0, ["cannot be read"])
  }

  @Test func otherLibrariesAreNamed() throws {
    let mpi = facts { if $0.rank == 2 { $0.libraries["MPI"] = "Open MPI v5" } }
    try expect("libraries", mpi, .impossible, 69, ["another MPI", "rank 2 on node2"])
    let blas = facts { if $0.rank == 2 { $0.libraries["OpenBLAS"] = "0.3.30" } }
    try expect("libraries", blas, .warning, 0, ["another OpenBLAS", "bits"])
  }

  @Test func kindsOfCPUAreNamed() throws {
    let mixed = facts { if $0.rank > 1 { $0.processor = "another CPU" } }
    try expect(
      "processors", mixed, .warning, 0, ["a CPU, and another CPU", "node2", "equal machines"])
  }

  @Test func workersWithoutCoresAreNamed() throws {
    let crowded = facts { if $0.host == "node2" { $0.workers = 8 } }
    try expect("cores", crowded, .warning, 0, ["node2: 2 ranks with 16 workers on 4 cores"])
    let quota = facts { $0.quota = 2.5 }
    try expect("cores", quota, .warning, 0, ["node1", "the time of 2.5"])
    let overlap = facts { $0.cores = $0.rank % 2 == 0 ? [0, 1, 2] : [2, 3] }
    try expect("cores", overlap, .warning, 0, ["ranks 0 and 1 share some"])
    // Unbound ranks have the same cores.
    try expect("cores", facts { $0.cores = [0, 1, 2, 3] }, .good, 0, ["2 machines, 4 ranks, 8"])
  }

  @Test func aRefusedRunKeepsItsExitCode() throws {
    var facts = facts()
    facts.run = .refused(message: "a.h5: there is no file", exitCode: 66)
    try expect("run", facts, .impossible, 66, ["a.h5: there is no file"])
    facts.run = .possible("runs/a: 10 images")
    try expect("run", facts, .good, 0, ["runs/a"])
  }

  @Test func aStaleCopyIsNamed() throws {
    var facts = facts()
    facts.images = [HostValue("node1", "aa"), HostValue("node2", "bb")]
    try expect("data", facts, .impossible, 65, ["node2 (bb)", "than on node1"])
    facts.images = [HostValue("node1", "aa"), HostValue("node2", "aa")]
    try expect("data", facts, .good, 0, ["on 2 machines"])
  }

  @Test func theTransportIsToldOrNotKnown() throws {
    try expect(
      "transport", facts(), .good, 0, ["ob1: vader within a node, tcp between nodes"])
    try expect("transport", facts(ranks: 2), .good, 0, ["ob1: vader"])
    let slow = facts { if $0.rank > 1 { $0.fabrics = ["mlx5_0"] } }
    try expect("transport", slow, .warning, 0, ["node2 has mlx5_0", "pml=ucx"])
    let unknown = facts {
      $0.transports = Transports(variables: [])
      $0.variables = "UCX_TLS=rc"
    }
    try expect("transport", unknown, .unknown, 0, ["does not tell", "UCX_TLS=rc"])
  }

  @Test func costsOfMessagesAreTold() throws {
    var facts = facts()
    facts.exchange = LinkCost(alpha: 2e-5, beta: 8e-9 / 25)
    try expect("exchange", facts, .good, 0, ["20 µs", "25 Gbit/s"])
    try expect("exchange", self.facts(ranks: 1), .good, 0, ["nothing to exchange"])
  }

  /// The first machine has the rank that saves; what ranks have already does not count.
  @Test func tooLittleMemoryIsNamed() throws {
    var facts = facts { if $0.rank > 1 { $0.memory = MachineMemory(freeBytes: 1, source: "x") } }
    facts.needs = needs()
    try expect("memory", facts, .impossible, 69, ["node2 needs 2.0 GB of 1 B (x)"])
    facts = self.facts { $0.memory = MachineMemory(freeBytes: 3_200_000_000, source: "x") }
    facts.needs = needs()
    try expect("memory", facts, .warning, 0, ["node1 needs 3.0 GB of 3.2 GB"])
    facts = self.facts {
      $0.memory = MachineMemory(freeBytes: 1_100_000_000, source: "x")
      $0.residentBytes = 1_000_000_000
    }
    facts.needs = needs()
    try expect("memory", facts, .warning, 0, ["node1 needs 1.0 GB"])
    facts = self.facts { $0.memory = nil }
    facts.needs = needs()
    try expect("memory", facts, .unknown, 0, ["does not tell"])
  }

  @Test func limitsAreNamed() throws {
    var facts = facts { if $0.rank == 0 { $0.limits.fileBytes = 1000 } }
    facts.needs = needs()
    try expect("limits", facts, .impossible, 69, ["rank 0 on node1", "ulimit -f"])
    // Only the first rank writes.
    facts = self.facts { if $0.rank == 1 { $0.limits.fileBytes = 1000 } }
    facts.needs = needs()
    try expect("limits", facts, .good, 0, ["files unlimited"])
    facts = self.facts { if $0.rank == 3 { $0.limits.addressBytes = 500_000_000 } }
    facts.needs = needs()
    try expect("limits", facts, .impossible, 69, ["rank 3 on node2", "ulimit -v"])
    try expect(
      "limits", self.facts { $0.limits.openFiles = 64 }, .warning, 0, ["ulimit -n", "4 ranks"])
    try expect("limits", self.facts { $0.limits.stackBytes = 8192 }, .warning, 0, ["ulimit -s"])
  }

  @Test func aFolderIsTriedOut() throws {
    var facts = facts()
    var probe = ProbeResult(folder: "runs")
    facts.probe = probe
    try expect("folder", facts, .good, 0, ["runs can be written to"])
    probe.unseenBy = ["node2"]
    facts.probe = probe
    try expect("folder", facts, .warning, 0, ["another folder on node2", "shared"])
    (probe.refusal, probe.exitCode) = ("runs: no space left on device", 74)
    facts.probe = probe
    try expect("folder", facts, .impossible, 74, ["node1: runs: no space left"])
  }

  @Test func aFullDiskIsNamed() throws {
    var facts = facts()
    facts.needs = needs(space: FreeSpace(bytes: 1000, files: nil))
    try expect("disk", facts, .impossible, 69, ["1.0 GB of 1.0 kB", "Make room"])
    facts.needs = needs(space: FreeSpace(bytes: 600_000_000, files: nil))
    try expect("disk", facts, .warning, 0, ["1.0 GB of 600 MB", "keep_checkpoints"])
    facts.needs = needs(space: FreeSpace(bytes: 10_000_000_000, files: 3))
    try expect("disk", facts, .impossible, 69, ["20 files, 3 may be made"])
    facts.needs = needs(space: FreeSpace(bytes: 1_050_000_000, files: nil))
    try expect("disk", facts, .warning, 0, ["make some room"])
    // Old checkpoints make room for new ones.
    facts.needs = needs(space: FreeSpace(bytes: 300_000_000, files: nil))
    facts.needs?.presentBytes = 800_000_000
    try expect("disk", facts, .good, 0, ["200 MB of 300 MB"])
    facts.needs = needs(space: nil)
    try expect("disk", facts, .unknown, 0, ["does not tell"])
  }

  @Test func stepsThatWaitAreNamed() throws {
    var facts = facts()
    facts.steps = MeasuredSteps(seconds: Statistics([1, 1.1, 1.2]), computeSeconds: 1)
    try expect("steps", facts, .good, 0, ["1.1 s a step (1 to 1.2)"])
    facts.steps = MeasuredSteps(seconds: Statistics([1, 1.1, 1.2]), computeSeconds: 0.2)
    try expect("steps", facts, .warning, 0, ["of which 0.2 s compute", "faster network"])
    facts.steps = MeasuredSteps(seconds: Statistics([1, 1.3, 2]), computeSeconds: 1.3)
    try expect("steps", facts, .warning, 0, ["unequal"])
  }
}
