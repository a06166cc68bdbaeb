// Runs of earlier programs: they resume, and their checkpoints sample.

import Foundation
import HDF5
import TestSupport
import Testing

extension CommandTests {
  /// What `Fixtures/record_version_1.sh` recorded: three steps, the same continued to six, samples.
  @Suite struct OldRunTests {
    let folder = try! TemporaryFolder()

    private let recorded = Bundle.module.resourceURL!.appendingPathComponent("version-1").path

    private func copy() throws -> SmallRun {
      try SmallRun("\(recorded)/run").copy(to: folder.file("run"))
    }

    @Test func resumesAsItWould() async throws {
      let old = try copy()
      let before = try [UInt8](contentsOf: old.checkpoint(3))
      let outcome = try await run(
        .dist, ["train", "--run", old.path, "--resume", "--steps", "6"])
      try #require(outcome.status == 0, "\(outcome)")
      #expect(try old.checkpointNames() == ["step-00000003.h5", "step-00000006.h5"])
      #expect(try [UInt8](contentsOf: old.checkpoint(3)) == before)
      try FileManager.default.copyItem(
        atPath: "\(recorded)/resumed.jsonl", toPath: "\(folder.path)/metrics.jsonl")
      let (ours, theirs) = (try old.metrics(), try SmallRun(folder.path).metrics())
      try #require(ours.count == 6 && theirs.count == 6)
      for (our, their) in zip(ours, theirs) {
        for name in ["step", "images", "learning_rate", "loss", "gradient_norm"] {
          let (a, b) = (try #require(our[name]), try #require(their[name]))
          #expect(abs(a - b) <= 1e-4 * abs(b), "\(name): \(a), not \(b)")
        }
      }
    }

    @Test func samplesAsItDid() async throws {
      let out = folder.file("samples.h5")
      let outcome = try await run(
        .sample, ["--ckpt", "\(recorded)/run", "--count", "8", "--out", out])
      try #require(outcome.status == 0, "\(outcome)")
      func samples(_ path: String) throws -> [Int] {
        try File.open(path).root().dataset("samples").values(as: UInt8.self).map(Int.init)
      }
      let (ours, theirs) = (try samples(out), try samples("\(recorded)/samples.h5"))
      try #require(ours.count == theirs.count && theirs.count == 512)
      // Grey levels are rounded: on another CPU, a last place may tip a few of them over.
      #expect(zip(ours, theirs).allSatisfy { abs($0 - $1) <= 1 })
      #expect(zip(ours, theirs).count { $0 != $1 } <= 10)
      #expect(Set(theirs).count == 17)
    }
  }
}
