// The grid: its extents, the place of every pixel, and the grey of every level.

import Storage
import Tensors
import Testing

@Suite struct ImageGridTests {
  @Test func threeImagesPixelByPixel() {
    let shape = ImageShape(height: 1, width: 2, channels: 1)
    let grid = ImageGrid(shape: shape, count: 3, columns: 2, magnification: 2)
    let picture = grid.picture(of: [0, 16, 8, 4, 1, 15], levels: 17)
    let m = ImageGrid.marginGrey
    let edge = [UInt8](repeating: m, count: 14)
    // Levels of 17: v × 255/16 = 0, 255, 127.5 → 128, 63.75 → 64, 15.94 → 16, 239.06 → 239.
    let first: [UInt8] = [m, m, 0, 0, 255, 255, m, m, 128, 128, 64, 64, m, m]
    let second: [UInt8] = [m, m, 16, 16, 239, 239, m, m, m, m, m, m, m, m]
    #expect(picture.shape == ImageShape(height: 10, width: 14, channels: 1))
    #expect(
      picture.pixels == edge + edge + first + first + edge + edge + second + second + edge + edge)
  }

  @Test(arguments: [1, 2, 3, 4])
  func channels(count: Int) {
    let shape = ImageShape(height: 1, width: 1, channels: count)
    let grid = ImageGrid(shape: shape, count: 1, magnification: 1)
    let picture = grid.picture(of: (0..<count).map { UInt8(10 + $0) })
    let shown = count < 3 ? 1 : 3
    #expect(picture.shape == ImageShape(height: 5, width: 5, channels: shown))
    let center = (2 * 5 + 2) * shown
    #expect(Array(picture.pixels[center..<center + shown]) == (0..<shown).map { UInt8(10 + $0) })
  }

  @Test(arguments: [
    (64, 8, 8, 1), (100, 28, 28, 1), (64, 32, 32, 3), (1, 8, 8, 1), (7, 8, 8, 1), (16, 64, 20, 1),
    (5, 200, 200, 3),
  ])
  func theSizeSuitsAScreen(count: Int, height: Int, width: Int, channels: Int) {
    let shape = ImageShape(height: height, width: width, channels: channels)
    let grid = ImageGrid(shape: shape, count: count)
    let larger = max(grid.pictureShape.width, grid.pictureShape.height)
    #expect(larger >= 512 && larger <= 1024)
    #expect(grid.columns * grid.rows >= count && grid.columns * (grid.rows - 1) < count)
  }

  @Test func hugeGridsAreNotMagnified() {
    let grid = ImageGrid(shape: ImageShape(height: 32, width: 32, channels: 3), count: 2500)
    #expect(grid.magnification == 1 && grid.columns == 50 && grid.rows == 50)
  }

  @Test func all256LevelsStayAsTheyAre() {
    let shape = ImageShape(height: 16, width: 16, channels: 1)
    let picture = ImageGrid(shape: shape, count: 1, magnification: 1)
      .picture(of: (0..<256).map { UInt8($0) })
    var inner: [UInt8] = []
    for y in 2..<18 { inner += picture.pixels[y * 20 + 2..<y * 20 + 18] }
    #expect(inner == (0..<256).map { UInt8($0) })
  }

  @Test func networkImagesAreClipped() {
    let grid = ImageGrid(
      shape: ImageShape(height: 1, width: 8, channels: 1), count: 1, magnification: 1)
    let values: [Float] = [-1, 1, 0, -0.5, -3, 3, .nan, .infinity]
    let row = Array(grid.picture(of: values).pixels[2 * 12 + 2..<2 * 12 + 10])
    #expect(row == [0, 255, 128, 64, 0, 255, 0, 255])
  }
}
