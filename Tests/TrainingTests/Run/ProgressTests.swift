// What the progress line says.

import Testing
import Training

@Suite struct ProgressTests {
  @Test(arguments: [
    (0, "0 s"), (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s"),
    (3599.4, "59 min 59 s"), (3599.6, "1 h 00 min"), (7620, "2 h 07 min"),
    (360_000, "100 h 00 min"), (.infinity, "?"), (.nan, "?"), (1e300, "?"), (-1, "?"),
  ])
  func durations(seconds: Double, text: String) {
    #expect(Progress.duration(seconds) == text)
  }

  @Test(arguments: [
    (0, "[....]"), (0.249, "[....]"), (0.25, "[#...]"), (0.99, "[###.]"), (1, "[####]"),
    (7, "[####]"), (-1, "[....]"), (.nan, "[....]"), (.infinity, "[####]"),
  ])
  func bars(share: Double, text: String) {
    #expect(Progress.bar(share, width: 4) == text)
  }

  @Test func aSilentLineIsNotEvenMade() {
    Progress(isSilent: true).show(isLast: true) {
      Issue.record("The text is made.")
      return ""
    }
  }
}
