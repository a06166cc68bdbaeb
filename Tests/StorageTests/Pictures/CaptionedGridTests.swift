// Words under pictures: the place of every image, the pixels of letters, and where lines break.

import Storage
import Tensors
import Testing

@Suite struct CaptionedGridTests {
  private let ground = ImageGrid.marginGrey

  /// The pixels of a part of a picture of one channel, a row a line: `#` is black, `.` the ground.
  private func part(_ picture: Picture, _ y: Int, _ x: Int, height: Int, width: Int) -> [String] {
    (y..<y + height).map { row in
      String(
        (x..<x + width).map { column -> Character in
          switch picture.pixels[row * picture.shape.width + column] {
          case 0: "#"
          case ground: "."
          default: "?"
          }
        })
    }
  }

  /// U+0041 of GNU Unifont: 0000000018242442427E424242420000.
  private static let letterA =
    [0, 0, 0, 0, 0x18, 0x24, 0x24, 0x42, 0x42, 0x7E, 0x42, 0x42, 0x42, 0x42, 0, 0].map {
      row -> String in
      String((0..<8).map { row >> (7 - $0) & 1 == 1 ? "#" : "." })
    }
  private static let box =
    [String](repeating: "........", count: 2) + [".######."]
    + [String](repeating: ".#....#.", count: 10) + [".######."]
    + [String](repeating: "........", count: 2)

  /// Two white images of 4 × 100 pixels beside each other.
  private func grid(_ captions: GridCaptions, channels: Int = 1) -> Picture {
    let shape = ImageShape(height: 4, width: 100, channels: channels)
    return ImageGrid(shape: shape, count: 2, columns: 2, magnification: 1)
      .picture(
        of: [UInt8](repeating: 255, count: 2 * shape.count), .levels(256), captions: captions)
  }

  @Test func aLetterStandsCentredUnderItsImage() {
    let picture = grid(.images(["A", "\u{E000}"]))
    // Margins of 2 around, the image, and a line of 16.
    #expect(picture.shape == ImageShape(height: 2 + 4 + 2 + 16 + 2, width: 206, channels: 1))
    #expect(part(picture, 8, 2 + 46, height: 16, width: 8) == Self.letterA)
    // There is no glyph: a box.
    #expect(part(picture, 8, 2 + 102 + 46, height: 16, width: 8) == Self.box)
    #expect(picture.pixels.count { $0 == 255 } == 800)
    #expect(
      picture.pixels.count { $0 == 0 } == (Self.letterA + Self.box).joined().count { $0 == "#" })
  }

  @Test func aRowHasItsCaptionAtTheLeft() {
    let picture = grid(.rows(["A \t\n A"]))
    #expect(picture.shape.height == 26 && picture.shape.width == 206)
    #expect(part(picture, 8, 2, height: 16, width: 8) == Self.letterA)
    #expect(part(picture, 8, 18, height: 16, width: 8) == Self.letterA)
  }

  @Test func lettersAreBlackInColour() {
    let picture = grid(.images(["A", "A"]), channels: 3)
    #expect(picture.shape.channels == 3)
    let ink = 2 * Self.letterA.joined().count { $0 == "#" }
    #expect(picture.pixels.count { $0 == 0 } == 3 * ink)
  }

  /// How many lines a caption takes under images of 96 pixels: twelve letters or six characters.
  @Test(arguments: [
    ("", 0), ("abcdefghijkl", 1), ("abcdefghijklm", 2), ("abcdef ghijkl", 2), ("ab cd ef gh ij", 2),
    ("一二三四五六", 1), ("一二三四五六七", 2), ("abcde 一二三四", 2), ("ab一二三四五 c", 2),
    (String(repeating: "abcdefghijkl ", count: 6), 6), (String(repeating: "x", count: 4096), 6),
  ])
  func linesBreak(_ text: String, _ lines: Int) {
    let shape = ImageShape(height: 1, width: 1, channels: 1)
    let picture = ImageGrid(shape: shape, count: 1, magnification: 1)
      .picture(of: [255], .levels(256), captions: .images([text]))
    #expect(picture.shape.height == 2 + 1 + 2 + 16 * lines + 2)
    #expect(picture.shape.width == 100)
    // The one pixel of the image, in the middle of its column.
    #expect(picture.pixels[2 * 100 + 2 + 47] == 255)
  }

  /// Rows are as high as their longest caption; the last one may be short.
  @Test func rowsHaveRoomForTheirLines() {
    let shape = ImageShape(height: 8, width: 96, channels: 1)
    let grid = ImageGrid(shape: shape, count: 3, columns: 2, magnification: 1)
    let images = [Float](repeating: 1, count: 3 * shape.count)
    let long = "a caption of several lines"
    let picture = grid.picture(of: images, captions: .images(["A", long, "A"]))
    #expect(picture.shape.height == 2 + (8 + 48 + 4) + (8 + 16 + 4))
    #expect(part(picture, 12, 46, height: 16, width: 8) == Self.letterA)
    #expect(part(picture, 2 + 60 + 10, 46, height: 16, width: 8) == Self.letterA)
    let byRow = grid.picture(of: images, captions: .rows(["A", "A"]))
    #expect(byRow.shape.height == 2 + 2 * (8 + 16 + 4))
    #expect(part(byRow, 2 + 28 + 10, 2, height: 16, width: 8) == Self.letterA)
  }

  @Test func printableASCIIAndLatinLettersAreThere() {
    for value in Array(0x20...0x7E) + Array(0xC0...0xFF) + Array(0x100...0x17F) + [0x2026] {
      #expect(Glyph.isKnown(Unicode.Scalar(UInt32(value))!), "\(value)")
    }
    #expect(!Glyph.isKnown("\u{1B}"))
  }
}
