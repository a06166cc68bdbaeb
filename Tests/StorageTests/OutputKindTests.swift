// What a command may replace: files of its own kind, and nothing else.

import Foundation
import HDF5
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct OutputKindTests {
  let folder = try! TemporaryFolder()

  /// Writes a file of each kind, and files that no command writes; gives their names.
  private func files() throws -> [(name: String, kind: OutputKind?)] {
    let shape = ImageShape(height: 2, width: 2, channels: 1)
    try Picture(shape: shape, pixels: [1, 2, 3, 4]).writePNG(to: folder.file("a.png"))
    try NumPyArchive.write(
      images: [1, 2, 3, 4], count: 1, shape: shape, format: .levels(256), to: folder.file("a.npz"))
    try AtomicFile.write("{\"a\": 1}\n", to: folder.file("a.json"))
    try AtomicFile.write(
      "#!/usr/bin/env bash\n# A job script of ddpm-dist for Slurm: it trains.\n",
      to: folder.file("a.sh"))
    try AtomicFile.write("#!/usr/bin/env bash\n# My own.\n", to: folder.file("b.sh"))
    let writer = try ImageDatasetWriter(output: folder.file("d.h5"), shape: shape, name: "d")
    try writer.append(images: [1, 2, 3, 4])
    _ = try writer.finish()
    try SampleFile.write(
      [1, 2, 3, 4], shape: shape, format: .levels(17), origin: [:], to: folder.file("s.h5"))
    try NoisyImages.writePrediction([1, 2, 3, 4], shape: shape, to: folder.file("p.h5"))
    try DatasetExport.write(
      ImageDataset(path: folder.file("d.h5")), as: .zip, to: folder.file("a.zip"), range: 0..<1)
    let checkpoint = sampleCheckpoint()
    try checkpoint.write(to: folder.file("c.h5"))
    try AverageSnapshot(
      step: 1, seed: 1, layout: checkpoint.layout, averages: [0.1: checkpoint.ema]
    )
    .write(to: folder.file("v.h5"))
    let other = try File.create(folder.file("o.h5"))
    try other.close()
    try folder.write(Array("x: 1\n".utf8), to: "t.txt")
    return [
      ("a.png", .picture), ("a.npz", .archive), ("a.zip", .pictureArchive), ("a.json", .report),
      ("a.sh", .jobScript), ("b.sh", nil), ("d.h5", .dataset),
      ("s.h5", .samples), ("p.h5", .prediction), ("c.h5", nil), ("v.h5", nil), ("o.h5", nil),
      ("t.txt", nil),
    ]
  }

  @Test func onlyAFileOfTheSameKindIsReplaced() throws {
    for (name, kind) in try files() {
      let before = try folder.bytes(name)
      for wanted in OutputKind.allCases {
        let path = folder.file(name)
        if wanted == kind {
          try wanted.check(target: path)
        } else {
          let error = #expect(throws: StorageError.self, "\(wanted) over \(name)") {
            try wanted.check(target: path)
          }
          guard case .cannotCreate = error else {
            Issue.record("\(wanted) over \(name): \(error as Any)")
            continue
          }
          #expect(error?.reason.contains("choose another name") == true)
        }
      }
      #expect(try folder.bytes(name) == before)
    }
    let checkpoint = #expect(throws: StorageError.self) {
      try OutputKind.prediction.check(target: folder.file("c.h5"))
    }
    #expect(checkpoint?.reason.hasPrefix("is a ddpm-checkpoint file, but no file of pre") == true)
    // It may be a run's.
    let own = #expect(throws: StorageError.self) {
      try OutputKind.checkpoint.check(target: folder.file("c.h5"))
    }
    #expect(own?.reason.hasPrefix("is a checkpoint already and is not replaced") == true)
  }

  @Test(arguments: OutputKind.allCases) func whatIsEmptyOrAbsentMayBeWritten(
    _ kind: OutputKind
  ) throws {
    try kind.check(target: folder.file("new"))
    try folder.write([], to: "empty")
    try kind.check(target: folder.file("empty"))
    #expect(try folder.names() == ["empty"])
  }

  /// The images of hours would be lost under the name that they shall have.
  @Test func anInterruptedJobIsNotReplaced() throws {
    let layout = SampleLayout(
      images: 3, shape: ImageShape(height: 2, width: 2, channels: 1), format: .levels(256))
    let file = try UnfinishedSamples(for: folder.file("s.h5"), layout, resuming: false)
    try file.append([1, 2, 3, 4])
    try file.flush()
    try folder.write(folder.bytes("s.h5.unfinished"), to: "t.h5")
    let error = #expect(throws: StorageError.self) {
      try OutputKind.samples.check(target: folder.file("t.h5"))
    }
    #expect(error?.reason.hasPrefix("holds 1 of 3 images of an interrupted job") == true)
  }

  @Test func theInputIsNotReplacedByAnyName() throws {
    let input = try folder.write(Array("{}".utf8), to: "a.json")
    try FileManager.default.createSymbolicLink(
      atPath: folder.file("soft.json"), withDestinationPath: "a.json")
    #expect(link(input, folder.file("hard.json")) == 0)
    for name in ["a.json", "./a.json", "soft.json", "hard.json"] {
      let error = #expect(throws: StorageError.self) {
        try OutputKind.report.check(target: folder.file(name), inputs: ["/no/such", input])
      }
      #expect(error?.reason.contains("own input") == true, "\(name)")
    }
    try OutputKind.report.check(target: folder.file("hard.json"), inputs: ["/no/such"])
  }

  @Test func withForceEveryFileIsReplacedButWhatIsRead() throws {
    for (name, _) in try files() {
      for wanted in OutputKind.allCases {
        try wanted.check(target: folder.file(name), inputs: ["/no/such"], isForced: true)
        let error = #expect(throws: StorageError.self) {
          try wanted.check(target: folder.file(name), inputs: [folder.file(name)], isForced: true)
        }
        #expect(error?.reason.contains("own input") == true)
      }
    }
    // A folder that is read stands for all that is in it, by whatever name.
    try FileManager.default.createDirectory(
      atPath: folder.file("run/deep"), withIntermediateDirectories: true)
    try folder.write(Array("x".utf8), to: "run/deep/a.png")
    try folder.write(Array("x".utf8), to: "running.png")
    let manager = FileManager.default
    try manager.createSymbolicLink(atPath: folder.file("in"), withDestinationPath: "run/deep")
    try manager.createSymbolicLink(
      atPath: folder.file("to.png"), withDestinationPath: "run/deep/a.png")
    try manager.createSymbolicLink(
      atPath: folder.file("run/from.png"), withDestinationPath: "../running.png")
    let inputs = [folder.file("in/..")]
    for name in ["run/deep/a.png", "in/a.png", "to.png", "run/../run/deep/./a.png", "run/from.png"]
    {
      let error = #expect(throws: StorageError.self, "\(name)") {
        try OutputKind.picture.check(target: folder.file(name), inputs: inputs, isForced: true)
      }
      #expect(error?.reason.contains("which the command reads") == true, "\(name)")
    }
    try OutputKind.picture.check(
      target: folder.file("running.png"), inputs: inputs, isForced: true)
    // What would be replaced anyway is; a grid in a run's folder, for example.
    let shape = ImageShape(height: 1, width: 1, channels: 1)
    try Picture(shape: shape, pixels: [1]).writePNG(to: folder.file("run/grid.png"))
    try OutputKind.picture.check(
      target: folder.file("run/grid.png"), inputs: inputs, isForced: true)
  }

  @Test(arguments: OutputKind.allCases) func whatIsNoFileIsNotReplaced(
    _ kind: OutputKind
  ) throws {
    #expect(mkfifo(folder.file("pipe"), 0o600) == 0)
    try FileManager.default.createSymbolicLink(
      atPath: folder.file("link"), withDestinationPath: "/dev/null")
    for path in ["/dev/null", folder.file("pipe"), folder.file("link"), folder.path] {
      for isForced in [false, true] {
        let error = #expect(throws: StorageError.self) {
          try kind.check(target: path, isForced: isForced)
        }
        guard case .cannotCreate = error else {
          Issue.record("\(path): \(error as Any)")
          continue
        }
        #expect(error?.reason.contains("name a file") == true)
      }
    }
    #expect(try folder.names() == ["link", "pipe"])
  }

  @Test func endings() {
    #expect(OutputKind.picture.fits("a/b.PNG") && !OutputKind.picture.fits("png"))
    #expect(OutputKind.samples.fits("a.hdf5") && !OutputKind.samples.fits("a.h5.tmp"))
    #expect(OutputKind.report.fault(inName: "a.json") == nil)
    #expect(
      OutputKind.dataset.fault(inName: "a.png") == "a.png: the name must end in .h5 or .hdf5.")
  }
}
