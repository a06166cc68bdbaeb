// Random numbers of batches: the same whoever asks, and none twice.

import Models
import Tensors
import Testing

@Suite struct DrawsTests {
  private func words(
    _ draws: Draws, _ purpose: RandomStream.Purpose = .noise, image: Int, index: Int = 0
  ) -> SIMD4<UInt32> {
    draws.stream(purpose, image: image, index: index).words(0)
  }

  /// A shard's streams are those that its checkpoints' bits come from.
  @Test func aShardsStreamsAreByPosition() {
    let draws = Draws(seed: 7, step: 5, shard: 3, of: 4)
    for image in [0, 1, 100_000] {
      let stream = RandomStream(seed: 7, purpose: .noise, step: 5, shard: 3, position: image)
      #expect(words(draws, image: image) == stream.words(0))
    }
  }

  @Test func noTwoStreamsMeet() {
    var seen: Set<SIMD4<UInt32>> = []
    var count = 0
    func add(_ words: SIMD4<UInt32>) {
      seen.insert(words)
      count += 1
    }
    for purpose in [RandomStream.Purpose.noise, .timestep, .dropout] {
      for step in 0..<3 {
        for shard in 0..<3 {
          for image in 0..<3 {
            for index in 0..<3 {
              add(
                words(
                  Draws(seed: 1, step: step, shard: shard, of: 4), purpose, image: image,
                  index: index)
              )
            }
          }
        }
      }
      for first in [0, 8] {
        for image in 0..<8 {
          for index in 0..<4 {
            add(words(Draws(seed: 1, firstImage: first), purpose, image: image, index: index))
          }
        }
      }
    }
    #expect(seen.count == count)
  }

  /// Outside training an image is known by its number, whatever it is grouped with.
  @Test func imagesAreKnownByTheirNumbers() {
    let (one, other) = (Draws(seed: 2, firstImage: 0), Draws(seed: 2, firstImage: 5))
    #expect(words(one, image: 7, index: 3) == words(other, image: 2, index: 3))
    #expect(words(one, image: 7, index: 3) != words(one, image: 7, index: 2))
    #expect(
      words(one, image: 7) != words(Draws(seed: 3, firstImage: 0), image: 7))
  }
}
