// Folders of PNG files: classes are sub-folders, and nothing that does not fit passes.

import Foundation
import Storage
import Tensors
import Testing

@Suite struct PictureFolderTests {
  private let grey = Picture(
    shape: ImageShape(height: 2, width: 3, channels: 1), pixels: [0, 1, 2, 253, 254, 255])
  private let color = Picture(
    shape: ImageShape(height: 2, width: 3, channels: 3), pixels: (0..<18).map { UInt8($0 * 14) })

  @Test func withoutSubfolders() throws {
    try withFolder { folder in
      for name in ["b.png", "a.PNG", ".hidden.png"] {
        try write(grey.pngBytes(), folder, name)
      }
      try write(Array("read me".utf8), folder, "README.txt")
      let source = try ImportSource.pictures(folder)
      #expect(source.header.count == 2)
      #expect(source.header.shape == grey.shape)
      #expect(!source.header.hasLabels)
      let (images, labels) = try readAll(source)
      #expect(images == grey.pixels + grey.pixels)
      #expect(labels == nil)
    }
  }

  @Test func subfoldersAreClasses() throws {
    try withFolder { folder in
      let inverse = Picture(shape: grey.shape, pixels: grey.pixels.map { 255 - $0 })
      try write(inverse.pngBytes(), folder, "zebra/1.png")
      try write(grey.pngBytes(), folder, "ape/2.png")
      try write(inverse.pngBytes(), folder, "ape/10.png")
      let source = try ImportSource.pictures(folder)
      #expect(source.header.classNames == ["ape", "zebra"])
      let (images, labels) = try readAll(source)
      #expect(images == inverse.pixels + grey.pixels + inverse.pixels)  // "10.png" < "2.png"
      #expect(labels == [0, 0, 1])
    }
  }

  @Test func mixturesAreConvertedOnRequest() throws {
    try withFolder { folder in
      try write(grey.pngBytes(), folder, "a.png")
      try write(color.pngBytes(), folder, "b.png")
      expectRefusal("b.png: is in colour where the first picture is grey") {
        _ = try readAll(.pictures(folder))
      }
      #expect(
        try readAll(.pictures(folder, channels: 3)).images
          == grey.converted(toChannels: 3).pixels + color.pixels)
      #expect(
        try readAll(.pictures(folder, channels: 1)).images
          == grey.pixels + color.converted(toChannels: 1).pixels)
    }
  }

  @Test func refusals() throws {
    expectRefusal("/nowhere: cannot list the folder: No such file") {
      _ = try ImportSource.pictures("/nowhere")
    }
    try withFolder { folder in
      expectRefusal("holds no picture") { _ = try ImportSource.pictures(folder) }
      try write(grey.pngBytes(), folder, "a.png")
      expectRefusal("a.png: is not a folder") {
        _ = try ImportSource.pictures(folder + "/a.png")
      }
      let wide = Picture(
        shape: ImageShape(height: 2, width: 4, channels: 1), pixels: [UInt8](repeating: 0, count: 8)
      )
      let path = try write(wide.pngBytes(), folder, "b.png")
      expectRefusal("b.png: has 2 × 4 pixels where the first picture has 2 × 3") {
        _ = try readAll(.pictures(folder))
      }
      try FileManager.default.removeItem(atPath: path)
      try write([1, 2], folder, "c.GIF")
      expectRefusal("c.GIF: is not a PNG, JPEG or TIFF file") {
        _ = try ImportSource.pictures(folder)
      }
    }
    try withFolder { folder in
      try write(grey.pngBytes(), folder, "one/a.png")
      try FileManager.default.createDirectory(
        atPath: folder + "/two", withIntermediateDirectories: true)
      expectRefusal("two: this folder of a class holds no picture") {
        _ = try ImportSource.pictures(folder)
      }
      try write(grey.pngBytes(), folder, "two/three/a.png")
      expectRefusal("three: is a folder inside the folder of a class") {
        _ = try ImportSource.pictures(folder)
      }
      try write(grey.pngBytes(), folder, "stray.png")
      expectRefusal("stray.png: lies beside the sub-folders") {
        _ = try ImportSource.pictures(folder)
      }
    }
  }
}
