// Grids of pictures with words under them.

import Tensors

/// What is written into a grid of pictures.
public enum GridCaptions: Equatable, Sendable {
  /// A text under each image, in their order.
  case images([String])
  /// A text under each row of images.
  case rows([String])
}

extension ImageGrid {
  /// The least pixels of a column whose images have captions: twelve letters.
  static let captionWidth = 96
  /// The most lines of a caption.
  static let captionLines = 6

  /// Draws images in the bytes of a format, with captions.
  ///
  /// Captions are black on the grey of the margin, centred under an image, and at the left under a row;
  /// they are broken into lines of the column or the row. Columns are as wide as the images, and at
  /// least `captionWidth`.
  public func picture(
    of images: [UInt8], _ format: PixelFormat, captions: GridCaptions
  ) -> Picture {
    captioned(picture(of: images, format), captions)
  }

  /// Draws network images with captions, as the other `picture(of:captions:)`.
  public func picture(of images: [Float], captions: GridCaptions) -> Picture {
    captioned(picture(of: images), captions)
  }

  private func captioned(_ plain: Picture, _ captions: GridCaptions) -> Picture {
    let margin = Self.margin
    let (height, width) = (shape.height * magnification, shape.width * magnification)
    let (texts, isByRow, column): ([String], Bool, Int)
    switch captions {
    case .images(let words):
      precondition(words.count == count, "Each image has a caption.")
      (texts, isByRow, column) = (words, false, max(width, Self.captionWidth))
    case .rows(let words):
      precondition(words.count == rows, "Each row has a caption.")
      (texts, isByRow, column) = (words, true, width)
    }
    let pictureWidth = max(columns * (column + margin), Self.captionWidth + margin) + margin
    let textWidth = isByRow ? pictureWidth - 2 * margin : column
    let perRow = isByRow ? 1 : columns
    let wrapped = texts.map {
      WrappedText($0, width: textWidth, mostLines: Self.captionLines).lines
    }
    let tops = (0..<rows).reduce(into: [margin]) { tops, row in
      let lines = wrapped[row * perRow..<min((row + 1) * perRow, wrapped.count)].map(\.count)
      tops.append(tops[row] + height + lines.max()! * Glyph.height + 2 * margin)
    }
    var canvas = Canvas(
      ImageShape(height: tops[rows], width: pictureWidth, channels: pictureShape.channels),
      grey: Self.marginGrey)
    for image in 0..<count {
      let (row, place) = (image / columns, image % columns)
      canvas.copy(
        plain, from: (margin + row * (height + margin), margin + place * (width + margin)),
        height, width, to: (tops[row], margin + place * (column + margin) + (column - width) / 2))
    }
    for (number, lines) in wrapped.enumerated() {
      canvas.write(
        lines,
        (
          tops[number / perRow] + height + margin,
          margin + number % perRow * (column + margin)
        ), textWidth, isCentred: !isByRow)
    }
    return Picture(shape: canvas.shape, pixels: canvas.pixels)
  }
}

/// A picture that is being drawn.
private struct Canvas {
  let shape: ImageShape
  private(set) var pixels: [UInt8]

  init(_ shape: ImageShape, grey: UInt8) {
    self.shape = shape
    pixels = [UInt8](repeating: grey, count: shape.count)
  }

  /// Copies a part of a picture with as many channels.
  mutating func copy(
    _ picture: Picture, from source: (y: Int, x: Int), _ height: Int, _ width: Int,
    to target: (y: Int, x: Int)
  ) {
    let c = shape.channels
    for y in 0..<height {
      let from = ((source.y + y) * picture.shape.width + source.x) * c
      let to = ((target.y + y) * shape.width + target.x) * c
      pixels.replaceSubrange(to..<to + width * c, with: picture.pixels[from..<from + width * c])
    }
  }

  /// Writes lines in black.
  mutating func write(
    _ lines: [[Unicode.Scalar]], _ place: (y: Int, x: Int), _ width: Int, isCentred: Bool
  ) {
    for (number, line) in lines.enumerated() {
      var x = place.x + (isCentred ? (width - WrappedText.width(of: line)) / 2 : 0)
      let y = place.y + number * Glyph.height
      for scalar in line {
        let glyph = Glyph.of(scalar)
        for dy in 0..<Glyph.height {
          for dx in 0..<glyph.width where glyph.isInk(dy, dx) {
            let pixel = ((y + dy) * shape.width + x + dx) * shape.channels
            for k in 0..<shape.channels { pixels[pixel + k] = 0 }
          }
        }
        x += glyph.width
      }
    }
  }
}
