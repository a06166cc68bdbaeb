// From files of other formats to a dataset, to a look at it, to a network trained on it.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport
import Testing

extension CommandTests {
  @Suite struct DatasetTests {
    let folder = try! TemporaryFolder()

    /// A pixel of image `n`, different for all images.
    private func pixel(_ n: Int, _ i: Int) -> UInt8 { UInt8((n * 31 + i * 7) % 256) }

    /// 40 small images in a format, and the words that import them.
    private func input(_ format: String) throws -> (words: [String], extents: String) {
      func bigEndian(_ value: Int) -> [UInt8] {
        (0..<4).map { UInt8(value >> (24 - 8 * $0) & 255) }
      }
      let indices = 0..<40
      switch format {
      case "idx":
        let pixels = indices.flatMap { n in (0..<64).map { pixel(n, $0) } }
        let images = try folder.write(
          [0, 0, 8, 3] + bigEndian(40) + bigEndian(8) + bigEndian(8) + pixels, to: "images")
        let labels = try folder.write(
          [0, 0, 8, 1] + bigEndian(40) + indices.map { UInt8($0 % 10) }, to: "labels")
        return (["idx", images, labels], "8×8×1")
      case "cifar10":
        let records = indices.flatMap { n in [UInt8(n % 10)] + (0..<3072).map { pixel(n, $0) } }
        return (["cifar10", try folder.write(records, to: "data_batch_1.bin")], "32×32×3")
      case "csv":
        let lines = indices.map { n in
          ((0..<48).map { "\(pixel(n, $0))" } + ["\(n % 10)"]).joined(separator: ",")
        }
        let file = try folder.write(Array(lines.joined(separator: "\n").utf8), to: "table.csv")
        return (["csv", file, "--height", "8", "--width", "6"], "8×6×1")
      case "npy":
        let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (40, 8, 8, 3)}\n"
        let labels = "{'descr': '<u2', 'fortran_order': False, 'shape': (40,)}\n"
        func array(_ header: String, _ values: [UInt8], _ name: String) throws -> String {
          try folder.write(
            [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0]
              + Array(header.utf8) + values, to: name)
        }
        return (
          [
            "npy",
            try array(header, indices.flatMap { n in (0..<192).map { pixel(n, $0) } }, "x.npy"),
            try array(labels, indices.flatMap { [UInt8($0 % 10), 0] }, "y.npy"),
          ], "8×8×3"
        )
      default:
        for n in indices {
          let place = folder.file("pictures/class\(n % 10)")
          try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
          let shape = ImageShape(height: 8, width: 8, channels: 3)
          try Picture(shape: shape, pixels: (0..<192).map { pixel(n, $0) })
            .writePNG(to: "\(place)/\(n).png")
        }
        return (["images", folder.file("pictures")], "8×8×3")
      }
    }

    @Test(arguments: ["idx", "cifar10", "csv", "images", "npy"])
    func importedImagesCanBeLookedAtAndTrainedOn(_ format: String) async throws {
      let (words, extents) = try input(format)
      let file = folder.file("data.h5")
      let imported = try await run(.dist, ["dataset", "import"] + words + ["--output", file])
      try #require(imported.status == 0, "\(imported)")
      #expect(imported.output.contains("40 of \(extents)"), "\(imported)")
      #expect(imported.output.contains("class 9"), "\(imported)")

      let grid = folder.file("grid.png")
      let inspected = try await run(
        .dist, ["dataset", "inspect", file, "--grid", grid, "--count", "9"])
      try #require(inspected.status == 0, "\(inspected)")
      #expect(inspected.output.contains("40 of \(extents)"), "\(inspected)")
      #expect(inspected.output.contains("(as declared)"), "\(inspected)")
      let dataset = try ImageDataset(path: file)
      let shape = ImageGrid(shape: dataset.shape, count: 9).pictureShape
      #expect(try Picture(png: grid).shape == shape)

      let run = SmallRun(folder.file("run"))
      let trained = try await run.train(
        ["--data", file, "--steps", "2", "--batch", "8"],
        settings: ["channels=4", "groups=2", "attention=[]"])
      try #require(trained.status == 0, "\(trained)")
      #expect(try Checkpoint.read(path: run.checkpoint(2)).progress.step == 2)
    }

    @Test func ranksDoNotImportOrPrintTwice() async throws {
      let words = try input("idx").words
      let file = folder.file("data.h5")
      let imported = try await run(
        .dist, ["dataset", "import"] + words + ["--output", file], ranks: 2)
      try #require(imported.status == 0, "\(imported)")
      #expect(imported.output.components(separatedBy: "40 of 8×8×1").count == 2, "\(imported)")
      let inspected = try await run(.dist, ["dataset", "inspect", file], ranks: 2)
      try #require(inspected.status == 0, "\(inspected)")
      #expect(inspected.output.components(separatedBy: "40 of 8×8×1").count == 2, "\(inspected)")
    }

    /// A distribution's options, what is said of it, and the settings of a network that takes it.
    @Test(arguments: [
      (
        ["gaussian", "--size", "4", "--mean", "-0.1", "--correlation", "-0.5"],
        ["200 of 4×4×1", "float32 in -1.0 … 1.0", "distribution", "gaussian", "entropy"],
        ["multipliers=[1,2]"]
      ),
      (
        ["mixture", "--weights", "4,3,2,1,1", "--seed", "3"],
        ["200 of 8×8×1", "float32 in -1.0 … 1.0", "images (blank)", "--weights 4,3,2,1,1"], []
      ),
      (
        ["coin", "--size", "1", "--probability", "0.25"],
        [
          "200 of 1×1×1", "uint8, 2 levels", "images (white)",
          "0.5623 nats an image, 0.8113 bits per dimension",
        ], ["multipliers=[1]"]
      ),
    ])
    func drawnImagesCanBeLookedAtAndTrainedOn(
      _ words: [String], _ parts: [String], _ settings: [String]
    ) async throws {
      let file = folder.file("data.h5")
      let make = ["dataset", "make"] + words + ["--count", "200", "--output", file]
      let made = try await run(.dist, make)
      try #require(made.status == 0, "\(made)")
      let bytes = try folder.bytes("data.h5")
      // A second time it replaces itself, by the same bytes.
      #expect(try await run(.dist, make).status == 0)
      #expect(try folder.bytes("data.h5") == bytes)

      let inspected = try await run(
        .dist, ["dataset", "inspect", file, "--grid", folder.file("grid.png")])
      try #require(inspected.status == 0, "\(inspected)")
      for part in parts + ["(as declared)", "true NLL", "ddpm-dist dataset make \(words[0])"] {
        #expect(inspected.output.contains(part), "\(part) in: \(inspected)")
      }
      for line in made.output.split(separator: "\n") where line.contains("nats") {
        #expect(inspected.output.contains(line), "\(line) in: \(inspected)")
      }

      for objective in ["simple", "bound"] {
        let run = SmallRun(folder.file(objective))
        let trained = try await run.train(
          ["--data", file, "--steps", "3", "--batch", "8"],
          settings: ["channels=4", "groups=2", "attention=[]", "objective=\(objective)"] + settings)
        try #require(trained.status == 0, "\(trained)")
        #expect(try run.metrics().allSatisfy { $0["loss"]!.isFinite })
      }
    }

    @Test(arguments: [
      (["digit-scenes", "--language", "chinese", "--seed", "2"], "16×16×1", 4),
      (["digit-scenes", "--part", "held-out"], "16×16×1", 4),
      (["coloured-digits"], "8×8×3", 3),
    ])
    func picturesWithCaptionsCanBeLookedAtAndTrainedOn(
      _ words: [String], _ extents: String, _ perImage: Int
    ) async throws {
      let file = folder.file("data.h5")
      let make = ["dataset", "make"] + words + ["--count", "200", "--output", file]
      let made = try await run(.dist, make)
      try #require(made.status == 0, "\(made)")
      let bytes = try folder.bytes("data.h5")
      #expect(try await run(.dist, make).status == 0)
      #expect(try folder.bytes("data.h5") == bytes)

      let grid = folder.file("grid.png")
      let inspected = try await run(
        .dist, ["dataset", "inspect", file, "--grid", grid, "--count", "6"])
      try #require(inspected.status == 0, "\(inspected)")
      let dataset = try ImageDataset(path: file)
      let captions = try #require(dataset.captions)
      for part in [
        "200 of \(extents)", "\(perImage) of each image, \(captions.unique.count) different",
        "“\(captions.captions(of: 2)[0])” (and \(perImage - 1) more)", words[0],
      ] {
        #expect(inspected.output.contains(part), "\(part) in: \(inspected)")
      }
      // With the words, the picture is higher.
      let plain = ImageGrid(shape: dataset.shape, count: 6).pictureShape
      #expect(try Picture(png: grid).shape.height > plain.height)

      let run = SmallRun(folder.file("run"))
      let trained = try await run.train(
        ["--data", file, "--steps", "2", "--batch", "8"],
        settings: ["channels=4", "groups=2", "attention=[]"])
      try #require(trained.status == 0, "\(trained)")
    }

    /// What a file says is printed without what would move a terminal's cursor.
    @Test func controlCharactersInCaptionsAreWrittenOut() async throws {
      let table = try folder.write(Array("1,2,3,4,0,a\u{1B}[2J\u{7}b\n".utf8), to: "a.csv")
      let file = folder.file("data.h5")
      let imported = try await run(
        .dist, ["dataset", "import", "csv", table, "--caption", "6", "--output", file])
      try #require(imported.status == 0, "\(imported)")
      let inspected = try await run(.dist, ["dataset", "inspect", file])
      #expect(inspected.output.contains("“a\\u{1B}[2J\\u{07}b”"), "\(inspected)")
      #expect(!inspected.output.contains("\u{1B}") && !inspected.output.contains("\u{7}"))
    }

    @Test func theEmbeddedDigitsCanBeInspected() async throws {
      let outcome = try await run(.dist, ["dataset", "inspect", "digits"])
      #expect(outcome.status == 0 && outcome.output.contains("1797 of 8×8×1"), "\(outcome)")
      #expect(outcome.output.contains("17 levels"), "\(outcome)")
    }

    /// Writes /x_t and /t for `count` images.
    private func noisy(_ count: Int) throws -> String {
      let path = folder.file("noisy-\(count).h5")
      let file = try File.create(path)
      let root = try file.root()
      let values = (0..<count * 64).map { Float(($0 * 53) % 97 - 48) / 24 }
      try root.write("x_t", values, shape: [count, 8, 8, 1])
      try root.write("t", (0..<count).map { Int64($0 % 20) })
      try root.close()
      try file.close()
      return path
    }

    @Test func predictionsHaveTheShapeOfTheirInput() async throws {
      let checkpoint = try await SmallRun.reference.value.path
      func predict(
        _ count: Int, _ options: [String] = [], ranks: Int? = nil
      ) async throws -> [Float] {
        let output = folder.file("\(UUID().uuidString).h5")
        let outcome = try await run(
          .dist,
          ["predict", "--ckpt", checkpoint, "--input", noisy(count), "--output", output] + options,
          ranks: ranks)
        try #require(outcome.status == 0, "\(outcome)")
        let prediction = try File.open(output).root().dataset("prediction")
        #expect(prediction.shape == [count, 8, 8, 1])
        return try prediction.values(as: Float.self)
      }
      let many = try await predict(21)
      #expect(many.allSatisfy(\.isFinite) && Set(many).count > 100)
      #expect(try await predict(3) == Array(many.prefix(3 * 64)))
      #expect(try await predict(21, ["--workers", "1"]) == many)
      #expect(try await predict(21, ranks: 2) == many)
      #expect(try await predict(21, ["--weights", "model"]) != many)
    }
  }
}
