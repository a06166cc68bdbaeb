// CSV: extents and levels follow from the numbers, and every bad field is named by its place.

import Storage
import Tensors
import TestSupport
import Testing

@Suite struct CSVTests {
  private let folder = try! TemporaryFolder()

  /// A source of the given text.
  private func source(
    _ text: String, height: Int? = nil, width: Int? = nil, channels: Int? = nil,
    levels: Int? = nil, label: CSVLabelColumn = .last
  ) throws -> ImportSource {
    try ImportSource.csv(
      file: folder.write(Array(text.utf8), to: "t.csv"), height: height, width: width,
      channels: channels, levels: levels, label: label)
  }

  @Test func squareWithLabelsLast() throws {
    let source = try source("0,5,16,3,7\n1,2,3,4,0\n")
    #expect(source.header.shape == ImageShape(height: 2, width: 2, channels: 1))
    #expect(source.header.format == .levels(17))
    #expect(source.header.count == 2)
    #expect(source.header.suggestedName == "t")
    let (images, labels) = try readAll(source)
    #expect(images == [0, 5, 16, 3, 1, 2, 3, 4])
    #expect(labels == [7, 0])
  }

  @Test func labelsFirstOrNone() throws {
    let first = try readAll(source("7,1,2,3,4", label: .first))
    #expect(first.images == [1, 2, 3, 4])
    #expect(first.labels == [7])
    let none = try readAll(source("1,2,3,4", label: .none))
    #expect(none.images == [1, 2, 3, 4])
    #expect(none.labels == nil)
  }

  @Test func headerBlanksAndCarriageReturnsArePassedOver() throws {
    let text = "\u{FEFF}p0,p1,p2,p3,label\r\n\r\n 1, 2,\t3,4 ,5\r\n\n6,7,8,9,10"
    let (images, labels) = try readAll(source(text))
    #expect(images == [1, 2, 3, 4, 6, 7, 8, 9])
    #expect(labels == [5, 10])
  }

  @Test func extentsFollowFromWhatIsGiven() throws {
    let line = (0..<12).map(String.init).joined(separator: ",")
    func shape(_ h: Int? = nil, _ w: Int? = nil, _ c: Int? = nil) throws -> ImageShape {
      try source(line, height: h, width: w, channels: c, label: .none).header.shape
    }
    #expect(try shape(3, 4) == ImageShape(height: 3, width: 4, channels: 1))
    #expect(try shape(3) == ImageShape(height: 3, width: 4, channels: 1))
    #expect(try shape(nil, 6) == ImageShape(height: 2, width: 6, channels: 1))
    #expect(try shape(nil, nil, 3) == ImageShape(height: 2, width: 2, channels: 3))
    #expect(try shape(nil, 2, 3) == ImageShape(height: 2, width: 2, channels: 3))
    expectRefusal("12 pixels", "not a square") { _ = try shape() }
    expectRefusal("12 pixels", "height 5") { _ = try shape(5) }
    expectRefusal("height 3, width 3") { _ = try shape(3, 3) }
    expectRefusal("height 0") { _ = try shape(0) }
    expectRefusal("channels -1") { _ = try shape(nil, nil, -1) }
    expectRefusal("height 4611686018427387904") { _ = try shape(1 << 62, 4) }
  }

  @Test func levelsFollowFromTheLargestValue() throws {
    #expect(try source("0,0,0,0,1").header.format == .levels(2))
    #expect(try source("0,1,127,0,1").header.format == .levels(128))
    #expect(try source("0,1,128,0,1").header.format == .levels(256))
    // Beyond bytes: 16 bits, the next power of two.
    let deep = try source("0,1,256,4095,1")
    #expect(deep.header.format == .levels(4096))
    try deep.forEachBatch { images, _ in #expect(images == [0, 0, 1, 0, 0, 1, 255, 15]) }
    #expect(try source("0,1,128,0,1", levels: 300).header.format == .levels(300))
    #expect(try source("0,1,2,0,1", levels: 17).header.format == .levels(17))
  }

  @Test func refusalsNameLineAndField() {
    func refuse(_ text: String, levels: Int? = nil, _ parts: String...) {
      for part in parts { expectRefusal(part) { _ = try source(text, levels: levels) } }
    }
    refuse("1,2,3,4,0\n1,2,x3,4,0\n", "line 2, field 3: \"x3\" is not a whole number")
    refuse("1,x,3,4,0\n", "line 1, field 2")  // One bad field is no header.
    refuse("a,b\n1,2,3,4,0\n\n1,2,3.5,4,0\n", "line 4, field 3: \"3.5\"")
    refuse("1,2,-3,4,0", "line 1, field 3: \"-3\"")
    refuse("1,2,\"3\",4,0", "line 1, field 3")
    refuse("1, 2 3 ,4,0", "line 1, field 2: \"2 3\" is not a whole number")
    refuse("1,2,,4,0", "line 1, field 3: there is no number")
    refuse("1,2,3,4,", "line 1, field 5: there is no number")
    refuse("1 2,3,4,5,0", "line 1, field 1")
    refuse("1,2,3,4,12345678901234567890", "line 1, field 5")
    refuse("1,2,3,4,0\n1,2,3,0\n", "line 2 has 4 numbers where the lines before have 5")
    refuse("1,2,3,65536,0", "line 1, field 4: 65536 is beyond the largest level, 65535")
    refuse("1,2,3,17,0", levels: 17, "line 1, field 4: 17 is beyond the largest level, 16")
    refuse("5\n", "line 1 has a label and no pixels")
    refuse("", "holds no line of numbers")
    refuse("\n\n", "holds no line of numbers")
    refuse("a,b,c\n", "holds no line of numbers")
  }
}
