// Pictures of digits with captions: they show what is said of them, and hold out what they should.

import Storage
import TestSupport
import Testing
import Training

@Suite struct CaptionedImagesTests {
  private static let digits = try! EmbeddedDigits()

  private func scenes(
    _ part: DigitScenes.Part = .seen, _ language: CaptionLanguage = .english, seed: UInt64 = 1
  ) -> DigitScenes {
    DigitScenes(Self.digits, part: part, language: language, seed: seed)
  }

  // MARK: Scenes

  @Test func scenesAreNumberedAsTheFormatSays() {
    #expect(DigitScene.all.map(\.label) == Array(0..<250))
    #expect(DigitScene.one(7, .topRight).label == 17)
    #expect(DigitScene.beside(left: 3, right: 9).label == 89)
    #expect(DigitScene.above(top: 3, bottom: 9).label == 189)
  }

  @Test(arguments: [1, 2, 99] as [UInt64])
  func oneInTenIsHeldOutAndEveryDigitIsSeenEverywhere(_ seed: UInt64) {
    let heldOut = DigitScenes.heldOut(seed: seed)
    let pairs = DigitScene.all.dropFirst(50)
    #expect(heldOut.count == 20 && heldOut.isSubset(of: pairs))
    // Each digit once at each side.
    for side in 0..<2 {
      let beside = heldOut.compactMap { scene -> Int? in
        if case .beside(let left, let right) = scene { [left, right][side] } else { nil }
      }
      let above = heldOut.compactMap { scene -> Int? in
        if case .above(let top, let bottom) = scene { [top, bottom][side] } else { nil }
      }
      #expect(beside.sorted() == Array(0..<10) && above.sorted() == Array(0..<10))
    }
    #expect(Set(scenes(.heldOut, seed: seed).scenes) == heldOut)
    #expect(scenes(seed: seed).scenes.count == 230)
    #expect(heldOut.isDisjoint(with: scenes(seed: seed).scenes))
    #expect(seed == 1 || heldOut != DigitScenes.heldOut(seed: 1))
  }

  @Test(arguments: DigitScenes.Part.allCases)
  func imagesShowTheirScenes(_ part: DigitScenes.Part) {
    let scenes = scenes(part)
    for i in 0..<500 {
      let image = scenes.image(i, seed: 1)
      let scene = DigitScene.all[image.label]
      #expect(scenes.scenes.contains(scene))
      #expect(image.captions == scene.captions(in: .english))
      var rest = image.pixels
      for cell in scene.cells {
        var pixels: [UInt8] = []
        for y in cell.y..<cell.y + 8 {
          for x in cell.x..<cell.x + 8 {
            pixels.append(image.pixels[16 * y + x])
            rest[16 * y + x] = 0
          }
        }
        let shown = Self.digits.images.indices.filter { Self.digits.images[$0] == pixels }
        #expect(shown.contains { Self.digits.labels[$0] == cell.digit }, "image \(i)")
      }
      #expect(rest.allSatisfy { $0 == 0 })
    }
  }

  @Test func anImageIsAFunctionOfSeedAndNumber() {
    let scenes = scenes()
    #expect(scenes.image(7, seed: 1) == self.scenes().image(7, seed: 1))
    #expect(scenes.image(7, seed: 1) != scenes.image(8, seed: 1))
    #expect(scenes.image(7, seed: 1) != scenes.image(7, seed: 2))
    let chinese = self.scenes(.seen, .chinese).image(7, seed: 1)
    #expect(chinese.pixels == scenes.image(7, seed: 1).pixels)
    #expect(chinese.captions != scenes.image(7, seed: 1).captions)
  }

  @Test(arguments: CaptionLanguage.allCases)
  func aCaptionMeansOneScene(_ language: CaptionLanguage) {
    var meaning: [String: DigitScene] = [:]
    for scene in DigitScene.all {
      let captions = scene.captions(in: language)
      #expect(captions.count == 4)
      for caption in Set(captions) {
        #expect(meaning.updateValue(scene, forKey: caption) == nil, "\(caption)")
        // The pictures of samples carry them.
        #expect(caption.unicodeScalars.allSatisfy(Glyph.isKnown), "\(caption)")
      }
    }
  }

  @Test func sentencesOfScenes() {
    #expect(
      DigitScene.above(top: 3, bottom: 9).captions(in: .english) == [
        "a three above a nine", "a nine below a three", "a three over a nine",
        "a three at the top and a nine at the bottom",
      ])
    #expect(
      DigitScene.beside(left: 7, right: 7).captions(in: .english)[2] == "two sevens side by side")
    #expect(
      DigitScene.beside(left: 8, right: 1).captions(in: .english)[0]
        == "an eight to the left of a one")
    #expect(DigitScene.one(2, .topRight).captions(in: .english)[0] == "a two at the top right")
    #expect(DigitScene.above(top: 3, bottom: 9).captions(in: .chinese)[0] == "三在九的上面")
  }

  // MARK: Colours

  @Test func colouredDigitsAreWhatTheyAreCalled() {
    let images = ColouredDigits(Self.digits, language: .english)
    let masks: [String: [Int]] = [
      "red": [1, 0, 0], "green": [0, 1, 0], "blue": [0, 0, 1], "yellow": [1, 1, 0],
      "purple": [1, 0, 1], "white": [1, 1, 1],
    ]
    var inks: [String: [Int]] = [:]
    for i in 0..<3000 {
      let image = images.image(i, seed: 3)
      let words = image.captions[0].split(separator: " ").map(String.init)
      #expect(words.last == images.classNames[image.label])
      let mask = masks[words[words.count - 2]]!
      let ink = (0..<64).map { Int(image.pixels[3 * $0...3 * $0 + 2].max()!) }
      #expect(image.pixels.map { Int($0) } == ink.flatMap { ink in mask.map { ink * $0 } })
      #expect(
        Self.digits.ofClass[image.label].contains { Self.digits.images[$0].map { Int($0) } == ink })
      let weight = words.count == 4 ? words[1] : "plain"
      inks["\(weight) \(image.label)", default: []].append(ink.reduce(0, +))
      let said = image.captions.dropFirst().joined(separator: " ")
      for word in words.dropFirst() { #expect(said.contains(word), "\(image.captions)") }
    }
    for digit in 0..<10 {
      #expect(inks["thin \(digit)"]!.max()! <= inks["plain \(digit)"]!.min()!)
      #expect(inks["plain \(digit)"]!.max()! <= inks["bold \(digit)"]!.min()!)
    }
  }

  @Test func chineseColoursHaveGlyphs() {
    let images = ColouredDigits(Self.digits, language: .chinese)
    for i in 0..<3000 {
      for caption in images.image(i, seed: 1).captions {
        #expect(caption.unicodeScalars.allSatisfy(Glyph.isKnown), "\(caption)")
      }
    }
  }

  // MARK: Files

  @Test func filesAreReadBack() throws {
    let folder = try TemporaryFolder()
    func write(_ images: some CaptionedImages, _ name: String) throws -> ImageDataset {
      let path = folder.file(name)
      _ = try images.write(count: 5000, seed: 4, origin: "a test", to: path)
      let dataset = try ImageDataset(path: path)
      try dataset.verify()
      for i in [0, 4095, 4096, 4999] {
        let image = images.image(i, seed: 4)
        #expect(dataset.captions?.captions(of: i) == image.captions)
        #expect(dataset.labels?[i] == image.label)
      }
      #expect(dataset.classNames == images.classNames && dataset.levels == 17)
      return dataset
    }
    let scenes = try write(scenes(seed: 4), "a.h5")
    #expect(scenes.captions?.perImage == 4)
    #expect(
      try write(ColouredDigits(Self.digits, language: .chinese), "b.h5").captions?.perImage == 3)
  }
}
