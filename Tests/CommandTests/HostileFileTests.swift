// Files that are damaged or made to do harm: one line and an exit code, whatever they make of HDF5.

import Foundation
import Glibc
import HDF5
import Storage
import Tensors
import TestSupport
import Testing

extension CommandTests {
  @Suite struct HostileFileTests {
    let folder = try! TemporaryFolder()

    /// Expects one line of error with some parts and an exit code.
    private func expect(
      _ outcome: Outcome, _ code: Int32, _ parts: String...,
      at location: SourceLocation = #_sourceLocation
    ) {
      #expect(outcome.status == code && !outcome.hung, "\(outcome)", sourceLocation: location)
      #expect(outcome.errorLines.count == 1, "\(outcome)", sourceLocation: location)
      for part in parts {
        #expect(outcome.errors.contains(part), "\(outcome)", sourceLocation: location)
      }
    }

    /// A dataset as h5py writes one, with strings of variable length, one bit of which is turned:
    /// libhdf5 1.10.8 dies of it where it reads the attribute `format`.
    private var crashing: String {
      Bundle.module.resourceURL!.appendingPathComponent("hostile/crashing.h5").path
    }

    /// The same with other bits: it makes the library turn for ever.
    private var endless: String {
      Bundle.module.resourceURL!.appendingPathComponent("hostile/endless.h5").path
    }

    @Test(arguments: ["crashing", "endless"])
    func aFileThatKillsTheLibraryIsRefused(_ name: String) async throws {
      let file = name == "crashing" ? crashing : endless
      let part =
        name == "crashing" ? "crashes the HDF5 library (signal" : "keeps the HDF5 library busy"
      let inspected = try await run(.dist, ["dataset", "inspect", file])
      expect(inspected, 65, part, "it is damaged")
      let place = folder.file("run")
      let trained = try await train(file, place)
      expect(trained, 65, part)
      #expect(!FileManager.default.fileExists(atPath: place))
      if name == "crashing" { expect(try await train(file, place, ranks: 2), 65, part) }
      // What is there and cannot be looked into is not replaced.
      let copy = folder.file("copy.h5")
      try FileManager.default.copyItem(atPath: file, toPath: copy)
      let before = try folder.bytes("copy.h5")
      let made = try await run(
        .dist, ["dataset", "make", "coin", "--count", "10", "--output", copy])
      expect(made, 73, "is not replaced")
      #expect(try folder.bytes("copy.h5") == before)
    }

    /// A run whose checkpoint has strings of variable length, a changed bit, and a checksum that fits.
    private func sealedRun(_ place: Int, _ bit: UInt8) throws -> SmallRun {
      let recorded = Bundle.module.resourceURL!.appendingPathComponent("version-1/run").path
      let old = try SmallRun(recorded).copy(to: folder.file("run"))
      var bytes = Array(try [UInt8](contentsOf: old.checkpoint(3)).dropLast(32))
      bytes[place] ^= bit
      try Data(bytes + bytes.withUnsafeBytes { Checkpoint.trailer(for: $0) })
        .write(to: URL(fileURLWithPath: old.checkpoint(3)))
      return old
    }

    @Test func aCheckpointThatKillsTheLibraryIsRefused() async throws {
      let old = try sealedRun(2964, 64)
      let (file, none) = (old.checkpoint(3), folder.file("none.h5"))
      let part = "crashes the HDF5 library (signal"
      let before = try snapshot(folder.path)
      let refused: [(Program, [String])] = [
        (.sample, ["--ckpt", file]), (.sample, ["--ckpt", old.path]),
        (.dist, ["evaluate", "--ckpt", file]),
        (.dist, ["estimate-variance", "--ckpt", file, "--output", none]),
        (.dist, ["predict", "--ckpt", file, "--input", none, "--output", none]),
        (.dist, ["checkpoint", "diff", file, file]),
        (.dist, ["train", "--run", old.path, "--resume", "--steps", "6"]),
      ]
      for (program, words) in refused {
        expect(try await run(program, words, in: folder.path), 65, part)
      }
      expect(try await run(.sample, ["--ckpt", file], ranks: 2, in: folder.path), 65, part)
      let verified = try await run(.dist, ["checkpoint", "verify", file])
      expect(verified, 65, "1 of 1 files")
      #expect(verified.output.contains(part), "\(verified)")
      let listed = try await run(.dist, ["checkpoint", "ls", old.path])
      #expect(listed.status == 0 && listed.output.contains("unusable: \(part)"), "\(listed)")
      let averaged = try await run(
        .dist, ["average", "--run", old.path, "--length", "0.05", "--output", none])
      expect(averaged, 66, "no good checkpoint", part)
      #expect(try snapshot(folder.path) == before)
    }

    @Test func aCheckpointThatTurnsForEverIsRefused() async throws {
      let file = try sealedRun(2465, 8).checkpoint(3)
      expect(
        try await run(.sample, ["--ckpt", file], in: folder.path), 65, "keeps the HDF5 library busy"
      )
    }

    @Test func aDatasetWhoseChecksumWasMadeToFitIsRefused() async throws {
      let bytes = try [UInt8](contentsOf: crashing)
      let trailer = bytes.withUnsafeBytes { Checkpoint.trailer(for: $0) }
      let file = try folder.write(
        bytes + Array("DDPMSET1".utf8) + trailer.dropFirst(8), to: "sealed.h5")
      expect(try await run(.dist, ["dataset", "inspect", file]), 65, "crashes the HDF5 library")
      expect(try await train(file, folder.file("run")), 65, "crashes the HDF5 library")
    }

    @Test func whatIsNoFileIsNotImported() async throws {
      let fifo = folder.file("fifo")
      #expect(mkfifo(fifo, 0o600) == 0)
      let link = folder.file("link.png")
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/dev/zero")
      let output = ["--output", folder.file("out.h5")]
      for words in [
        ["dataset", "import", "csv", fifo], ["dataset", "import", "idx", link],
        ["dataset", "import", "images", folder.path],
      ] {
        expect(try await run(.dist, words + output), 65, "device")
      }
      expect(try await run(.dist, ["dataset", "import", "cifar10", "/dev/zero"] + output), 65)
      for words in [["train", "--config", "/dev/zero"], ["train", "--set", "betas=/dev/zero"]] {
        let outcome = try await run(.dist, words + ["--run", folder.file("run")])
        #expect([64, 65].contains(outcome.status) && !outcome.hung, "\(outcome)")
        #expect(outcome.errorLines.count == 1, "\(outcome)")
      }
      #expect(try await run(.dist, ["dataset", "inspect", fifo]).status == 65)
    }

    @Test func longLinesTakeLittleMemory() async throws {
      // 200 MB in one line, and a header that promises more than there is.
      let line = folder.file("line.csv")
      let file = try #require(fopen(line, "w"))
      let part = String(repeating: "1,2,", count: 1 << 18)
      for _ in 0..<200 { fputs(part, file) }
      fclose(file)
      let header: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0x1F, 0, 0, 0, 0x1F, 0]
      let images = try folder.write(header + [1, 2, 3], to: "images")
      for (kind, path, part) in [
        ("csv", line, "line 1 is longer than 8 MiB"),
        ("idx", images, "ends after 0 of the 1 items"),
      ] {
        let outcome = try await run(.dist, ["__read", kind, path])
        #expect(outcome.status == 0, "\(outcome)")
        let fields = outcome.output.split(separator: "\t", maxSplits: 4)
        try #require(fields.count == 5, "\(outcome)")
        #expect(fields[0] == "65" && fields[4].contains(part), "\(outcome)")
        // The program alone has about 30 MB.
        #expect(try #require(Int(fields[2])) < 80_000, "\(outcome)")
      }
    }

    @Test func controlCharactersOfFilesAreWrittenOut() async throws {
      let rows = (0..<4).map { "1,2,3,\($0),0" }.joined(separator: "\n")
      let table = try folder.write(Array(rows.utf8), to: "table.csv")
      let file = folder.file("data.h5")
      let made = try await run(
        .dist,
        [
          "dataset", "import", "csv", table, "--output", file, "--name", "a\u{1B}[31mb\u{9B}c",
          "--origin", "x\u{7}\r\u{202E}y",
        ])
      try #require(made.status == 0, "\(made)")
      let outcome = try await run(.dist, ["dataset", "inspect", file])
      #expect(outcome.output.contains("a\\u{1B}[31mb\\u{009B}c"), "\(outcome)")
      #expect(outcome.output.contains("x\\u{07}\\r\\u{202E}y"), "\(outcome)")
      let strange = try folder.write(Array("1,2,\u{1B}]0;title\u{7},4,5".utf8), to: "strange.csv")
      let refused = try await run(
        .dist, ["dataset", "import", "csv", strange, "--output", folder.file("b.h5")])
      expect(refused, 65, "\\u{1B}]0;title\\u{07}")
      let yaml = try folder.write(Array("\"chan\\e[2Jnels\": 4\n".utf8), to: "a.yaml")
      let configured = try await run(
        .dist, ["train", "--config", yaml, "--run", folder.file("run")])
      expect(configured, 64, "chan\\u{1B}[2Jnels")
      for outcome in [made, outcome, refused, configured] {
        let text = outcome.output + outcome.errors
        #expect(!text.unicodeScalars.contains { $0.value < 32 && $0 != "\n" && $0 != "\t" })
      }
    }

    @Test func aChangedDatasetIsNoticedWhenItIsOpened() async throws {
      let file = folder.file("data.h5")
      let made = try await run(
        .dist, ["dataset", "make", "coin", "--count", "50", "--output", file])
      try #require(made.status == 0, "\(made)")
      var bytes = try folder.bytes("data.h5")
      bytes[bytes.count - 100] ^= 4
      try folder.write(bytes, to: "data.h5")
      expect(try await train(file, folder.file("run")), 65, "is damaged")
    }
  }
}

/// Begins a small run on a dataset.
private func train(_ file: String, _ folder: String, ranks: Int? = nil) async throws -> Outcome {
  try await run(
    .dist, ["train", "--data", file, "--run", folder, "--steps", "1"], ranks: ranks)
}
