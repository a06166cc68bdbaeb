// Which nodes make groups, and which ranks are in them.

import Parallel
import Testing

@Suite struct RankHierarchyTests {
  /// For each rank the first one of its node.
  private func layout(_ firstRanks: Int...) -> NodeLayout { NodeLayout(firstRanks: firstRanks) }

  @Test func oneNodeIsOneGroup() {
    #expect(layout(0).ranksPerGroup == 1)
    #expect(layout(0, 0, 0, 0).ranksPerGroup == 1)
    #expect(layout(0, 0, 0, 0).reason == nil)
  }

  @Test func oneRankANodeIsOneGroup() {
    #expect(layout(0, 1, 2, 3).ranksPerGroup == 1)
    #expect(layout(0, 1, 2, 3).reason == nil)
  }

  @Test func ranksThatFollowEachOtherAreGroups() {
    #expect(layout(0, 0, 2, 2).ranksPerGroup == 2)
    #expect(layout(0, 0, 2, 2, 4, 4).ranksPerGroup == 2)
    #expect(layout(0, 0, 0, 0, 4, 4, 4, 4).ranksPerGroup == 4)
    #expect(layout(0, 0, 2, 2).reason == nil)
  }

  @Test func othersAreOneGroupWithAReason() {
    let uneven = layout(0, 0, 0, 3)
    #expect(uneven.ranksPerGroup == 1)
    #expect(uneven.reason == "nodes have from 1 to 3 ranks")
    let three = layout(0, 0, 0, 3, 3, 3)
    #expect(three.ranksPerGroup == 1)
    #expect(three.reason == "3 ranks a node are no power of two")
    let dealt = layout(0, 1, 0, 1)
    #expect(dealt.ranksPerGroup == 1)
    #expect(dealt.reason?.contains("do not follow each other") == true)
  }
}
