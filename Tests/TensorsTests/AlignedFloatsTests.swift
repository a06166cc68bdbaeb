// Memory of zeros, and memory that is given back.

import Tensors
import Testing

@Suite struct AlignedFloatsTests {
  /// Whole huge pages, and some elements behind the last page.
  @Test(arguments: [0, 1, 1000, 1 << 20, (1 << 20) + 1, (1 << 21) + 1027])
  func newOnesAreZerosWhereverTheyLie(_ count: Int) {
    for _ in 0..<3 {
      let floats = AlignedFloats(count: count)
      #expect(floats.values == [Float](repeating: 0, count: count))
      #expect(Int(bitPattern: floats.elements.baseAddress) % 64 == 0)
      // The next one may get the same memory.
      floats.elements.update(repeating: 3)
    }
  }

  @Test func whatIsGivenBackCanBeWrittenAgain() {
    let floats = AlignedFloats((0..<(1 << 21)).map(Float.init))
    floats.giveBack(5000..<(1 << 20))
    floats.elements[6000] = 7
    let values = floats.values
    #expect(values[..<5000].elementsEqual((0..<5000).map(Float.init)))
    #expect(values[6000] == 7)
    #expect(values[(1 << 20)...].elementsEqual(((1 << 20)..<(1 << 21)).map(Float.init)))
  }
}
