// The counter-based generator and the numbers made from it.

import Foundation
import Tensors
import Testing

@Suite struct RandomTests {
  /// The known answers that the authors of Philox publish with their implementation (Random123).
  @Test func philoxKnownAnswers() {
    let ones = UInt32.max
    let cases: [(counter: SIMD4<UInt32>, seed: UInt64, words: SIMD4<UInt32>)] = [
      (
        SIMD4(0, 0, 0, 0), 0,
        SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8)
      ),
      (
        SIMD4(ones, ones, ones, ones), .max,
        SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd)
      ),
      (
        SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), 0x299f_31d0_a409_3822,
        SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1)
      ),
    ]
    for (counter, seed, words) in cases {
      #expect(Philox(seed: seed).words(at: counter) == words)
    }
  }

  /// Sixteen counters at a time give the words of one at a time.
  @Test func philoxSixteenAtATime() {
    let philox = Philox(seed: 0x299f_31d0_a409_3822)
    let first = SIMD4<UInt32>(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344)
    let words = philox.words16(from: first)
    for i in 0..<16 {
      let expected = philox.words(at: first &+ SIMD4(UInt32(i), 0, 0, 0))
      #expect(SIMD4(words.0[i], words.1[i], words.2[i], words.3[i]) == expected)
    }
  }

  /// The first four moments of 400,000 normals, within five standard errors.
  @Test func normalMoments() {
    let count = 400_000
    var scalars = [Float](repeating: 0, count: count)
    scalars.withUnsafeMutableBufferPointer {
      RandomStream(seed: 7, purpose: .noise, step: 3, shard: 2, position: 1).fillNormal($0)
    }
    let moments = (1...4).map { k in
      scalars.reduce(0.0) { $0 + pow(Double($1), Double(k)) } / Double(count)
    }
    let error = 5 / Double(count).squareRoot()
    #expect(abs(moments[0]) < error)
    #expect(abs(moments[1] - 1) < error * 2.0.squareRoot())
    #expect(abs(moments[2]) < error * 15.0.squareRoot())
    #expect(abs(moments[3] - 3) < error * 96.0.squareRoot())
  }

  /// A shorter array gets the same first numbers, and each coordinate of a stream matters.
  @Test func streamsAreFunctionsOfTheirCoordinates() {
    func numbers(_ stream: RandomStream, count: Int = 12) -> [Float] {
      var scalars = [Float](repeating: 0, count: count)
      scalars.withUnsafeMutableBufferPointer { stream.fillNormal($0) }
      return scalars
    }
    let base = RandomStream(seed: 1, purpose: .noise, step: 1, shard: 1, position: 1)
    #expect(numbers(base) == numbers(base))
    #expect(Array(numbers(base).prefix(5)) == numbers(base, count: 5))
    for other in [
      RandomStream(seed: 2, purpose: .noise, step: 1, shard: 1, position: 1),
      RandomStream(seed: 1 << 32 | 1, purpose: .noise, step: 1, shard: 1, position: 1),
      RandomStream(seed: 1, purpose: .start, step: 1, shard: 1, position: 1),
      RandomStream(seed: 1, purpose: .noise, step: 2, shard: 1, position: 1),
      RandomStream(seed: 1, purpose: .noise, step: 1, shard: 2, position: 1),
      RandomStream(seed: 1, purpose: .noise, step: 1, shard: 1, position: 2),
    ] { #expect(numbers(other) != numbers(base)) }
  }

  /// Each integer comes about as often as the others (χ² with 9 degrees of freedom below 40).
  @Test func integersAreUniform() {
    var counts = [Int](repeating: 0, count: 10)
    for step in 0..<20_000 {
      counts[RandomStream(seed: 3, purpose: .timestep, step: step).integer(below: 10)] += 1
    }
    let chiSquare = counts.reduce(0.0) { $0 + pow(Double($1) - 2000, 2) / 2000 }
    #expect(chiSquare < 40)
  }

  @Test func uniformsLieBetweenTheirEnds() {
    let stream = RandomStream(seed: 1, purpose: .dataset, step: 1, shard: 7)
    let numbers = stream.uniforms(count: 100_001)
    #expect(numbers.allSatisfy { $0 > 0 && $0 < 1 })
    #expect(Array(numbers.prefix(5)) == stream.uniforms(count: 5))
    let mean = numbers.reduce(0, +) / 100_001
    #expect(abs(mean - 0.5) < 5 * (1.0 / 12 / 100_001).squareRoot())
    // The smallest word gives the largest normal.
    #expect(abs(RandomStream.largestNormal - (-2 * log(0x1p-32)).squareRoot()) < 1e-12)
  }

  @Test func permutationsHoldEveryIndexOnce() {
    for count in [1, 2, 7, 1000] {
      let stream = RandomStream(seed: 1, purpose: .order, step: 4, shard: 2)
      let order = stream.permutation(count: count)
      #expect(order.sorted() == Array(0..<count))
      #expect(order == stream.permutation(count: count))
    }
    let epochs = (0..<2).map {
      RandomStream(seed: 1, purpose: .order, step: $0).permutation(count: 1000)
    }
    #expect(epochs[0] != epochs[1])
  }

  /// Half of them 1, neighbours independent, and a part of more signs is the same.
  @Test func signsAreFair() {
    let stream = RandomStream(seed: 1, purpose: .probe)
    let signs = stream.signs(count: 100_001)
    #expect(signs.allSatisfy { abs($0) == 1 })
    #expect(abs(signs.reduce(0, +)) < 4 * 100_001.0.squareRoot())
    for lag in [1, 2, 31, 32, 128] {
      let product = zip(signs, signs.dropFirst(lag)).reduce(0) { $0 + $1.0 * $1.1 }
      #expect(abs(product) < 4 * 100_001.0.squareRoot())
    }
    #expect(stream.signs(count: 301) == Array(signs[..<301]))
    let words = stream.words(1)
    #expect(
      (0..<128).allSatisfy { signs[128 + $0] == (words[$0 / 32] >> ($0 % 32) & 1 == 0 ? 1 : -1) })
  }

  @Test func uniformStaysInItsInterval() {
    var scalars = [Float](repeating: 0, count: 100_001)
    scalars.withUnsafeMutableBufferPointer {
      RandomStream(seed: 1, purpose: .weights).fillUniform($0, limit: 0.5)
    }
    #expect(scalars.allSatisfy { $0 >= -0.5 && $0 <= 0.5 })
    let mean = scalars.reduce(0.0) { $0 + Double($1) } / 100_001
    #expect(abs(mean) < 5 * (1.0 / 12 / 100_001).squareRoot())
  }
}
