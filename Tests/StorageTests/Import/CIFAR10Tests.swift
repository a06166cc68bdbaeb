// CIFAR-10's binary version: channels are put last, files are joined, damage is named.

import Foundation
import Storage
import Tensors
import Testing

@Suite struct CIFAR10Tests {
  /// A record whose red is p, green 2 p, blue 3 p at pixel p (modulo 256).
  private func record(label: UInt8) -> [UInt8] {
    [label] + (1...3).flatMap { k in (0..<1024).map { UInt8(truncatingIfNeeded: k * $0) } }
  }

  @Test func channelsComeLast() throws {
    try withFolder { folder in
      let a = try write(record(label: 7) + record(label: 0), folder, "a.bin")
      let b = try write(record(label: 9), folder, "b.bin")
      let source = try ImportSource.cifar10(files: [a, b])
      #expect(source.header.shape == ImageShape(height: 32, width: 32, channels: 3))
      #expect(source.header.count == 3)
      #expect(source.header.classNames == nil)
      let (images, labels) = try readAll(source)
      #expect(labels == [7, 0, 9])
      let image = (0..<1024).flatMap { p in (1...3).map { UInt8(truncatingIfNeeded: $0 * p) } }
      #expect(images == image + image + image)
    }
  }

  @Test func aFolderStandsForItsBatches() throws {
    try withFolder { folder in
      try write(record(label: 2), folder, "data_batch_2.bin")
      try write(record(label: 1), folder, "data_batch_1.bin")
      try write(record(label: 5), folder, "test_batch.bin")
      let names = (0..<10).map { "class \($0)" }
      try write(Array((names.joined(separator: "\n") + "\n\n").utf8), folder, "batches.meta.txt")
      let source = try ImportSource.cifar10(files: [folder])
      #expect(source.header.classNames == names)
      #expect(try readAll(source).labels == [1, 2])
      try FileManager.default.removeItem(atPath: folder + "/data_batch_1.bin")
      try FileManager.default.removeItem(atPath: folder + "/data_batch_2.bin")
      expectRefusal("holds no data_batch_*.bin") { _ = try ImportSource.cifar10(files: [folder]) }
    }
  }

  @Test func refusals() throws {
    try withFolder { folder in
      expectRefusal("no file was given") { _ = try ImportSource.cifar10(files: []) }
      expectRefusal("No such file") { _ = try ImportSource.cifar10(files: [folder + "/none"]) }
      let empty = try write([], folder, "empty.bin")
      expectRefusal("its 0 bytes") { _ = try ImportSource.cifar10(files: [empty]) }
      let short = try write(record(label: 1).dropLast(), folder, "short.bin")
      expectRefusal("short.bin: its 3072 bytes", "3073-byte records") {
        _ = try ImportSource.cifar10(files: [short])
      }
      let wrong = try write(record(label: 1) + record(label: 10), folder, "wrong.bin")
      expectRefusal("record 1", "class 10, beyond 9") {
        _ = try readAll(.cifar10(files: [wrong]))
      }
      let good = try write(record(label: 1), folder, "good.bin")
      let names = try write(Array("cat\ndog\n".utf8), folder, "names.txt")
      expectRefusal("names.txt: has 2 class names") {
        _ = try ImportSource.cifar10(files: [good], classNames: names)
      }
      expectRefusal("nowhere.txt: cannot be opened: No such file") {
        _ = try ImportSource.cifar10(files: [good], classNames: folder + "/nowhere.txt")
      }
    }
  }
}
