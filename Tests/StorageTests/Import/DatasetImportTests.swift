// The whole way: a source becomes a dataset file that reads back the same, or no file at all.

import Foundation
import Storage
import Tensors
import Testing

@Suite struct DatasetImportTests {
  /// All images of a dataset, as the bytes that were imported.
  private func levels(of dataset: ImageDataset) throws -> [UInt8] {
    let reader = try ImageReader(dataset, range: 0..<dataset.count)
    let values = try [Float](
      unsafeUninitializedCapacity: dataset.count * dataset.shape.count
    ) { buffer, filled in
      try reader.read(Array(0..<dataset.count), into: buffer.baseAddress!)
      filled = buffer.count
    }
    let scale = Float(dataset.levels! - 1) / 2
    return values.map { UInt8((($0 + 1) * scale).rounded()) }
  }

  @Test(arguments: [nil, 9])
  func whatIsImportedIsReadBack(gzip: Int?) throws {
    try withFolder { folder in
      let output = folder + "/out.h5"
      var steps: [[Int]] = []
      let summary = try DatasetImport.run(
        source: .idx(
          images: fixturePath("images-idx3-ubyte.gz"), labels: fixturePath("labels-idx1-ubyte.gz")),
        output: output, origin: "somebody", license: "CC0", classNames: ["a", "b", "c", "d", "e"],
        gzip: gzip
      ) { steps.append([$0, $1]) }
      #expect(steps == [[0, 4], [4, 4]])
      #expect(summary.name == "images-idx3-ubyte")
      #expect(summary.classNames == ["a", "b", "c", "d", "e"])
      #expect(summary.file.count == 4)
      #expect(summary.file.classCounts == [1, 1, 1, 1, 0])
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["out.h5"])

      let dataset = try ImageDataset(path: output)
      #expect(dataset.name == "images-idx3-ubyte")
      #expect(dataset.origin == "somebody")
      #expect(dataset.license == "CC0")
      #expect(dataset.shape == ImageShape(height: 2, width: 3, channels: 1))
      #expect(dataset.levels == 256)
      #expect(dataset.labels == [0, 1, 2, 3])
      #expect(dataset.classNames == ["a", "b", "c", "d", "e"])
      #expect(try levels(of: dataset) == IDXTests.pixels)
    }
  }

  @Test func namesOfTheSourceAreKept() throws {
    try withFolder { folder in
      let picture = Picture(shape: ImageShape(height: 1, width: 2, channels: 1), pixels: [3, 250])
      try write(picture.pngBytes(), folder, "zoo/ape/1.png")
      try write(picture.pngBytes(), folder, "zoo/bee/1.png")
      let summary = try DatasetImport.run(
        source: .pictures(folder + "/zoo/"), output: folder + "/zoo.h5")
      #expect(summary.name == "zoo")
      #expect(try ImageDataset(path: folder + "/zoo.h5").classNames == ["ape", "bee"])
    }
  }

  /// Imports a CSV text whose refusal must leave the folder as it was.
  private func importCSV(_ text: String, classNames: [String]?, label: CSVLabelColumn = .last)
    throws
  {
    try withFolder { folder in
      let path = try write(Array(text.utf8), folder, "in.csv")
      defer {
        let left = try? FileManager.default.contentsOfDirectory(atPath: folder)
        #expect(left == ["in.csv"])
      }
      _ = try DatasetImport.run(
        source: .csv(file: path, label: label), output: folder + "/out.h5",
        classNames: classNames)
    }
  }

  @Test func refusalsLeaveNoFile() {
    expectRefusal("in.csv: image 1", "class 2", "only the classes 0 to 1 have names") {
      try importCSV("7,1\n8,2\n", classNames: ["a", "b"])
    }
    expectRefusal("in.csv: image 0", "class 999999999", "is that column the label?") {
      try importCSV("7,999999999\n", classNames: nil)
    }
    expectRefusal("in.csv: comes without labels") {
      try importCSV("7\n", classNames: ["a"], label: .none)
    }
  }

  @Test func damageInTheMiddleLeavesNoFile() throws {
    try withFolder { folder in
      let good = try fixture("images-idx3-ubyte")
      let path = try write(good + [0], folder, "images")
      expectRefusal("images: goes on after") {
        _ = try DatasetImport.run(
          source: .idx(images: path, labels: nil), output: folder + "/out.h5")
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["images"])
    }
  }

  @Test func theEmbeddedDigits() throws {
    let digits = try ImageDataset.digits()
    #expect(digits.name == "digits")
    #expect(digits.count == 1797)
    #expect(digits.shape == ImageShape(height: 8, width: 8, channels: 1))
    #expect(digits.levels == 17)
    #expect(digits.classNames == (0...9).map(String.init))
    #expect(digits.license == "CC BY 4.0")
    // As scikit-learn, which ships the same file, counts and sums them.
    let counts = digits.labels!.reduce(into: [Int](repeating: 0, count: 10)) { $0[$1] += 1 }
    #expect(counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    #expect(try levels(of: digits).reduce(0) { $0 + Int($1) } == 561_718)
    #expect(try digits.verify() == digits.contentHash)
  }
}
