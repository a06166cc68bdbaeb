// What is refused before the queue, what is warned of, and what a job costs.

import Benchmark
import Foundation
import Jobs
import Storage
import TestSupport
import Training
import Testing

@Suite struct JobCheckTests {
  let folder = try! TemporaryFolder()
  static let shared = RunPlace(kind: .shared, name: "lustre", free: nil)

  private func scheduler(_ name: String) -> any Scheduler {
    Schedulers.all.first { $0.name == name }!
  }

  private func job(
    _ words: [String] = [], nodes: Int = 2, ranks: Int = 2, cores: Int = 4, run: String? = nil,
    _ change: (inout JobRequest) -> Void = { _ in }
  ) throws -> ScriptedJob {
    var request = JobRequest()
    (request.nodes, request.ranksPerNode, request.cores) = (nodes, ranks, .count(cores))
    change(&request)
    return ScriptedJob(
      request: request, layout: try JobLayout(request),
      training: TrainingWords(words, run: run ?? folder.file("run"), saysWorkers: false), file: nil,
      command: [], defaults: [])
  }

  private func check(
    _ job: ScriptedJob, for name: String = "slurm", place: RunPlace = shared,
    _ change: (inout RunOptions) -> Void = { _ in }
  ) throws -> JobCheck {
    var options = RunOptions()
    change(&options)
    return try JobCheck(job, for: scheduler(name), options) { _ in place }
  }

  @Test func whatFitsIsTaken() throws {
    let found = try check(job())
    #expect(found.warnings.isEmpty && found.run.step == 0 && found.run.stepsLeft == 2000)
    // Nothing was made.
    #expect(try folder.names().isEmpty)
  }

  @Test func ranksFollowTheRuleOfShards() throws {
    #expect(throws: ConfigurationError.self) { try check(job(nodes: 3)) }
    #expect(throws: ConfigurationError.self) {
      try check(job(nodes: 4)) { $0.assignments = ["shards=4"] }
    }
    let six = try check(job(nodes: 3)) { $0.assignments = ["batch=96"] }
    #expect(six.warnings.contains { $0.contains("6 ranks are no power of two") })
    #expect(throws: ConfigurationError.self) { try check(job()) { $0.assignments = ["chanels=3"] } }
    #expect(throws: StorageError.self) {
      try check(job()) { $0.overrides = [("data", "/no/such.h5")] }
    }
    #expect(throws: StorageError.self) { try check(job()) { $0.initialPath = "/no/such.h5" } }
  }

  @Test func coresThatAreOfNoUseAreTold() throws {
    #expect(try check(job(cores: 5)).warnings.contains { $0.contains("1 cores of each node") })
    #expect(try check(job(cores: 256)).warnings.contains { $0.contains("batches of 128") })
  }

  @Test func foldersThatNodesDoNotSeeAreRefused() throws {
    let memory = RunPlace(kind: .memory, name: "tmpfs", free: nil)
    let disk = RunPlace(kind: .local, name: "ext4", free: nil)
    #expect(throws: JobError.self) { try check(job(), place: memory) }
    #expect(throws: JobError.self) { try check(job(nodes: 1), place: memory) }
    #expect(throws: JobError.self) { try check(job(), for: "hosts", place: memory) }
    #expect(try check(job(nodes: 1), for: "hosts", place: memory).warnings.count == 1)
    #expect(try check(job(), place: disk).warnings.contains { $0.contains("do the nodes see it?") })
    #expect(try check(job(nodes: 1), for: "hosts", place: disk).warnings.isEmpty)
  }

  @Test func checkpointsNeedRoom() throws {
    let need = try check(job()).run.checkpointsBytes
    let enough = RunPlace(kind: .shared, name: "lustre", free: need)
    let less = RunPlace(kind: .shared, name: "lustre", free: need - 1)
    #expect(try check(job(), place: enough).warnings.isEmpty)
    #expect(throws: StorageError.self) { try check(job(), place: less) }
    #expect(throws: StorageError.self) {
      try check(job { $0.seeds = .init(range: 1...2) }, place: enough)
    }
  }

  @Test func aFolderThatHoldsARunIsRefusedWithoutResume() throws {
    for seed in [1, 3] {
      let run = folder.file("run/seed-\(seed)")
      try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
      try folder.write(Array("steps: 10\n".utf8), to: "run/seed-\(seed)/config.yaml")
      let array = try job { $0.seeds = .init(range: 1...3) }
      #expect(throws: StorageError.self) { try check(array) }
      #expect(try check(array) { $0.resumes = true }.run.stepsLeft == (seed == 1 ? 10 : 2000))
      if seed == 1 { try FileManager.default.removeItem(atPath: run) }
    }
    // What a resumed run may not change is refused here too.
    let single = try job(run: folder.file("run/seed-3"))
    #expect(throws: ConfigurationError.self) {
      try check(single) { ($0.resumes, $0.assignments) = (true, ["channels=8"]) }
    }
  }

  @Test func disksAreKnownByTheirNumbers() {
    #expect(RunPlace(of: "/proc/no/such").name == "proc")
    #expect(RunPlace(of: folder.file("a/b")).free! > 0)
    func place(_ mounts: String...) -> RunPlace {
      RunPlace(of: folder.file("a/b"), mounts: mounts.joined(separator: "\n"))
    }
    let root = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw"
    let above = URL(fileURLWithPath: folder.path).resolvingSymlinksInPath()
      .deletingLastPathComponent().path
    let shared = "23 22 0:1 / \(above) rw master:1 shared:2 - lustre 10.0.0.1@o2ib:/home rw"
    let memory = "24 22 0:2 / \(above) rw - tmpfs tmpfs rw"
    #expect(place(root).kind == .local && place(root).name == "ext4")
    #expect(place(root, shared).kind == .shared && place(shared, root).name == "lustre")
    // What was mounted last hides what was there.
    #expect(place(root, shared, memory).kind == .memory)
    #expect(place(root, "24 22 0:2 / \(above)x rw - tmpfs tmpfs rw").kind == .local)
    #expect(place("nonsense").kind == .shared && place("nonsense").name == "unknown")
  }

  // MARK: What it costs

  static func report(seconds: Double = 2, images: Int = 128, workers: Int = 4) -> BenchmarkReport {
    let text = """
      {"program": "ddpm-dist", "version": "0.1.0", "cpu": "", "instructions": [], "cores": 4,
       "host": "", "nodes": [], "blas": "", "mpi": "", "ranks": 1, "workers": \(workers),
       "parameters": 7, "batch": \(images), "dataset": "", "rounds": 1, "steps_per_round": 1,
       "settings": {}, "parts": {"step": {"images": \(images),
       "seconds": {"minimum": 1, "median": \(seconds), "maximum": 3},
       "images_per_second": {"minimum": 1, "median": 1, "maximum": 1}, "gigaflop_per_image": 1,
       "gigaflop_per_second": 1, "operations": [], "other_share": 0, "peak_memory_bytes": 1,
       "pool_bytes": 1, "pool_growth_bytes": 0}}}
      """
    let folder = try! TemporaryFolder()
    return try! JobEstimate.report(
      ofFile: folder.write(Array(text.utf8), to: "b.json"))
  }

  @Test func timeFollowsFromABenchmark() throws {
    func estimate(_ report: BenchmarkReport, batch: Int = 128, workers: Int = 4, time: Int? = 1000)
      -> JobEstimate?
    {
      JobEstimate(report, steps: 1000, batch: batch, workers: workers, time: time)
    }
    let equal = try #require(estimate(Self.report()))
    #expect(equal.seconds == 2000 && equal.links == 2)
    #expect(try #require(estimate(Self.report(), workers: 8)).seconds == 1000)
    #expect(try #require(estimate(Self.report(), batch: 256)).seconds == 4000)
    #expect(try #require(estimate(Self.report(), time: nil)).links == nil)
    #expect(try #require(estimate(Self.report(seconds: 0.5))).links == 1)
    #expect(JobEstimate.text(93_600) == "1-02:00:00" && JobEstimate.text(59.2) == "00:01:00")
    // Times that are none, and those of ages.
    #expect(estimate(Self.report(seconds: 0)) == nil)
    #expect(estimate(Self.report(seconds: 1e300)) == nil)
    #expect(estimate(Self.report(workers: 0)) == nil && estimate(Self.report(images: 0)) == nil)
    let bad = try folder.write(Array("{}".utf8), to: "bad.json")
    #expect(throws: StorageError.self) { try JobEstimate.report(ofFile: bad) }
  }

  @Test func nodeHoursAreThoseOfAllJobs() throws {
    let hours = { (job: ScriptedJob, name: String) in
      JobEstimate.nodeHours(job, for: scheduler(name))
    }
    #expect(hours(try job(), "slurm") == 48)
    let many = try job {
      ($0.time, $0.links, $0.seeds) = (3600, 3, .init(range: 1...4))
    }
    #expect(hours(many, "pbs") == 24)
    #expect(hours(try job(), "hosts") == nil)
  }
}
