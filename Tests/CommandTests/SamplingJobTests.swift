// Long jobs of ddpm-sample: parts that join, ends that nobody wanted, images made from images.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport
import Testing

extension CommandTests {
  @Suite struct SamplingJobTests {
    let folder = try! TemporaryFolder()

    private func checkpoint() async throws -> String { try await SmallRun.reference.value.path }

    /// Draws images in a folder of the name, and returns all files below it.
    private func files(
      _ name: String, _ options: [String], ranks: Int? = nil
    ) async throws -> [String: [UInt8]] {
      let place = folder.file(name)
      try? FileManager.default.createDirectory(
        atPath: place, withIntermediateDirectories: true)
      let outcome = try await run(
        .sample, ["--ckpt", checkpoint()] + options, ranks: ranks, in: place)
      try #require(outcome.status == 0, "\(outcome)")
      return try snapshot(place)
    }

    private let outputs = ["--out", "a.h5", "a.npz", "a.png", "dir/"]

    private func samples(_ path: String) throws -> [UInt8] {
      try File.open(path).root().dataset("samples").values(as: UInt8.self)
    }

    /// What is drawn does not depend on ranks, workers and batch, in any kind of output.
    @Test func ranksDoNotShow() async throws {
      let options = ["--count", "20", "--sampler", "dpm-solver++", "--steps", "5"] + outputs
      let expected = try await files("one", options + ["--workers", "1"])
      #expect(expected.keys.filter { $0.hasSuffix(".png") }.count == 21)
      #expect(expected["dir/00000/img00000019.png"] != nil && expected["dir/samples.json"] != nil)
      #expect(expected.keys.allSatisfy { !$0.contains("unfinished") && !$0.hasSuffix(".tmp") })
      for (ranks, more) in [
        (1, ["--batch", "8"]), (2, ["--workers", "1"]), (4, ["--workers", "1", "--batch", "16"]),
      ] {
        #expect(try await files("on \(ranks)", options + more, ranks: ranks) == expected)
      }
    }

    /// A job that is killed, twice, and goes on gives the bytes of one that was not.
    @Test func aKilledJobGoesOn() async throws {
      let options = ["--images", "5-404", "--sampler", "ddim", "--batch", "8"] + outputs
      let expected = try await files("whole", options)
      let place = folder.file("killed")
      try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
      var there = 0
      for attempt in 0..<2 {
        let target = there + 60
        let outcome = try await run(
          .sample, ["--ckpt", checkpoint()] + options + (attempt == 0 ? [] : ["--resume"]),
          in: place
        ) { process in
          while kill(process, 0) == 0 {
            let names = try? FileManager.default.contentsOfDirectory(atPath: "\(place)/dir/00000")
            if names?.count ?? 0 > target { break }
            try? await Task.sleep(for: .milliseconds(2))
          }
          for process in descendants(of: process) { kill(process, SIGKILL) }
        }
        #expect(outcome.status == -SIGKILL, "\(outcome)")
        there = try FileManager.default.contentsOfDirectory(atPath: "\(place)/dir/00000").count
        #expect(there > target && there < 400)
        #expect(FileManager.default.fileExists(atPath: "\(place)/a.h5.unfinished"))
      }
      // Without the word, what is there is not touched.
      let before = try snapshot(place)
      let refused = try await run(.sample, ["--ckpt", checkpoint()] + options, in: place)
      #expect(refused.status == 73 && refused.errorLines.count == 1, "\(refused)")
      #expect(refused.errors.contains("--resume"))
      #expect(try snapshot(place) == before)
      // Another job is not taken for this one.
      let other = try await run(
        .sample, ["--ckpt", checkpoint(), "--seed", "2", "--resume"] + options, in: place)
      #expect(other.status == 65 || other.status == 73, "\(other)")
      #expect(try snapshot(place) == before)
      // What a writer leaves that is killed in the middle of a picture has a name of its own.
      let resumed = try await files("killed", options + ["--resume"], ranks: 2)
      #expect(resumed.filter { !$0.key.hasSuffix(".tmp") } == expected)
    }

    /// A job that has ended draws nothing when it is resumed, and another is not taken for it.
    @Test func aJobThatHasEndedIsNotDrawnAgain() async throws {
      let options = ["--count", "12", "--sampler", "ddim", "--resume"] + outputs
      let first = try await files("ended", options)
      let place = folder.file("ended")
      let again = try await run(.sample, ["--ckpt", checkpoint()] + options, in: place)
      #expect(again.status == 0 && again.errors.contains("12 of 12 images are there"), "\(again)")
      #expect(try snapshot(place) == first)
      let other = try await run(
        .sample,
        ["--ckpt", checkpoint(), "--count", "12", "--seed", "2", "--resume", "--out", "a.h5"],
        in: place)
      #expect(other.status == 73 && other.errors.contains("holds other samples"), "\(other)")
      #expect(try snapshot(place) == first)
    }

    /// What images are made of belongs to a job, declared checksum or not.
    @Test func otherDataIsAnotherJob() async throws {
      func data(_ value: UInt8) throws {
        let file = try File.create(folder.file("d.h5"))
        let root = try file.root()
        try root.write(
          "images", [UInt8](repeating: value, count: 16 * 64), shape: [16, 8, 8, 1])
        let images = try root.dataset("images")
        try images.setAttribute("levels", .integer(17))
        try images.close()
        try root.close()
        try file.close()
      }
      let options = [
        "--from", folder.file("d.h5"), "--noise-level", "5", "--out", "a.h5", "--resume",
      ]
      try data(3)
      let first = try await files("from", options)
      #expect(try await files("from", options) == first)
      try data(4)
      let other = try await run(
        .sample, ["--ckpt", checkpoint()] + options, in: folder.file("from"))
      #expect(other.status == 73 && other.errors.contains("holds other samples"), "\(other)")
    }

    /// Parts of a job join to the whole: in arrays, and in one folder.
    @Test func partsJoin() async throws {
      let sampler = ["--sampler", "unipc", "--steps", "4"]
      let whole = try await files("whole", sampler + ["--count", "30", "--out", "a.h5", "dir/"])
      _ = try await files("parts", sampler + ["--images", "13-29", "--out", "b.h5", "dir/"])
      let parts = try await files(
        "parts", sampler + ["--images", "0-12", "--out", "a.h5", "dir/", "--resume"])
      #expect(
        try samples(folder.file("parts/a.h5")) + samples(folder.file("parts/b.h5"))
          == samples(folder.file("whole/a.h5")))
      for (name, bytes) in whole where name.hasPrefix("dir/") { #expect(parts[name] == bytes) }
      let second = try File.open(folder.file("parts/b.h5")).root()
      #expect(try second.integer("first_image") == 13)
      // A picture that was damaged is drawn again.
      try FileManager.default.removeItem(atPath: folder.file("parts/dir/00000/img00000007.png"))
      try folder.write([1, 2, 3], to: "parts/dir/00000/img00000020.png")
      let mended = try await files(
        "parts", sampler + ["--images", "0-29", "--out", "dir/", "--resume"])
      for (name, bytes) in whole where name.hasPrefix("dir/") { #expect(mended[name] == bytes) }
    }

    /// The images are those of a folder: of the same numbers, for the same pixels.
    @Test func allOutputsHoldTheSameImages() async throws {
      let files = try await files("all", ["--count", "3", "--sampler", "euler"] + outputs)
      let values = try samples(folder.file("all/a.h5"))
      for image in 0..<3 {
        let name = "dir/00000/img0000000\(image).png"
        #expect(files[name] != nil)
        let picture = try Picture(png: folder.file("all/\(name)"))
        let expected = values[64 * image..<64 * (image + 1)].map {
          UInt8((Int($0) * 255 + 8) / 16)
        }
        #expect(picture.pixels == expected)
      }
    }

    // MARK: Images from images

    private func mask() throws -> String {
      let picture = Picture(
        shape: ImageShape(height: 8, width: 8, channels: 1),
        pixels: (0..<64).map { $0 % 8 < 4 ? 255 : 0 })
      let path = folder.file("mask.png")
      try picture.writePNG(to: path)
      return path
    }

    /// Each task, on one rank and on two: the same files, with what is told beside the images.
    @Test func tasksAreDrawn() async throws {
      let mask = try mask()
      for (name, options, extras) in [
        ("interpolate", ["--interpolate", "3,4", "--frames", "5", "--count", "10"], []),
        ("encode", ["--encode", "digits", "--count", "9"], ["squared_error", "x_T"]),
        ("inpaint", ["--inpaint", "digits", "--mask", mask, "--count", "9", "--repeats", "2"], []),
        ("from", ["--from", "digits", "--noise-level", "9", "--count", "9"], []),
        (
          "ways", ["--trajectory", "--count", "3", "--sampler", "heun", "--steps", "6"],
          ["t", "x_0", "x_t"]
        ),
        (
          "own ways", ["--trajectory", "--frames", "4", "--count", "3", "--sampler", "rk45"],
          ["t", "x_0", "x_t"]
        ),
      ] as [(String, [String], [String])] {
        let output = ["--out", "a.h5", "a.png"]
        let one = try await files("\(name) 1", options + output + ["--workers", "1"])
        let two = try await files("\(name) 2", options + output, ranks: 2)
        #expect(one == two, "\(name)")
        let root = try File.open(folder.file("\(name) 1/a.h5")).root()
        #expect(try root.names().sorted() == (["samples", "view"] + extras).sorted(), "\(name)")
        _ = try Picture(png: folder.file("\(name) 1/a.png"))
      }
      let ways = try File.open(folder.file("ways 1/a.h5")).root()
      #expect(try ways.dataset("x_t").shape == [3, 8, 8, 8, 1])
      #expect(try ways.dataset("t").shape == [3, 8])
      let times = try ways.dataset("t").values(as: Float.self)
      #expect(times[0] > 17 && times[7] >= 1 && times[7] < 3, "\(times)")
    }

    /// What is kept by a mask is the image of the dataset; what is encoded decodes to the same.
    @Test func imagesAreMadeOfThoseOfTheDataset() async throws {
      let mask = try mask()
      let digits = try ImageDataset.digits()
      var given = [Float](repeating: 0, count: 9 * 64)
      try ImageReader(digits, range: 0..<9).read(Array(0..<9), into: &given)
      let levels = given.map { UInt8((($0 + 1) * 8).rounded()) }
      _ = try await files(
        "painted", ["--inpaint", "digits", "--mask", mask, "--count", "9", "--out", "a.h5"])
      let painted = try samples(folder.file("painted/a.h5"))
      let kept = painted.indices.filter { $0 % 8 >= 4 }
      #expect(kept.map { painted[$0] } == kept.map { levels[$0] })
      #expect(painted != levels)
      _ = try await files("coded", ["--encode", "digits", "--count", "9", "--out", "a.h5"])
      let coded = try samples(folder.file("coded/a.h5"))
      let grid = try #require(
        try File.open(folder.file("coded/a.h5")).root().string("grid"))
      _ = try await files(
        "decoded",
        [
          "--init", folder.file("coded/a.h5"), "--sampler", "ddim", "--no-clip", "--grid", grid,
          "--out", "a.h5",
        ])
      #expect(try samples(folder.file("decoded/a.h5")) == coded)
      // One step of noise is next to none.
      _ = try await files(
        "near",
        ["--from", "digits", "--noise-level", "1", "--count", "9", "--out", "a.h5"])
      let near = try samples(folder.file("near/a.h5"))
      let distance = zip(near, levels).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
      #expect(distance < 9 * 64 * 2)
      // A frame at the end of an interpolation is the image of its seed.
      _ = try await files(
        "between", ["--interpolate", "3,4", "--frames", "4", "--out", "a.h5"])
      _ = try await files(
        "end", ["--seed", "4", "--count", "1", "--sampler", "ddim", "--out", "a.h5"])
      let (between, end) = (
        try samples(folder.file("between/a.h5")), try samples(folder.file("end/a.h5"))
      )
      #expect(between.count == 4 * 64 && Array(between[192...]) == end)
    }

    @Test func samplersTellTheirOptions() async throws {
      for (options, facts) in [
        (["--sampler", "unipc", "--order", "3"], ["order": 3]),
        (["--sampler", "rk45", "--tolerance", "1e-2"], ["steps": 1000]),
        (["--dynamic-threshold", "0.9"], ["clipping": 1]), (["--no-clip"], ["clipping": 0]),
      ] as [([String], [String: Int])] {
        _ = try await files("facts", options + ["--count", "1", "--out", "a.h5"])
        let root = try File.open(folder.file("facts/a.h5")).root()
        for (name, value) in facts { #expect(try root.integer(name) == value, "\(options)") }
        #expect(try root.string("weights_hash")?.count == 32)
      }
    }
  }
}
