// What the names of control variables tell of the transports.

import MPI
import TestSupport
import Testing

@Suite struct TransportsTests {
  @Test func sharedMemoryAndTCPAreTold() {
    let found = Transports(variables: [
      "pml_base_verbose", "pml_ob1_priority", "btl_vader_exclusivity", "btl_tcp_exclusivity",
      "btl_self_exclusivity", "mtl_psm2_priority", "btl_tcp_port_min_v4",
    ])
    #expect(found.matching == ["ob1"] && found.bytes == ["tcp", "vader"])
    #expect(found.summary(spansNodes: false) == "ob1: vader")
    #expect(found.summary(spansNodes: true) == "ob1: vader within a node, tcp between nodes")
    #expect(found.usesTCP)
  }

  @Test func othersAreTold() {
    let ucx = Transports(variables: ["pml_ucx_priority", "btl_tcp_exclusivity"])
    #expect(ucx.summary(spansNodes: true) == "ucx" && !ucx.usesTCP)
    let ofi = Transports(variables: ["pml_cm_priority", "mtl_ofi_priority"])
    #expect(ofi.summary(spansNodes: true) == "cm: ofi" && !ofi.usesTCP)
    let tcp = Transports(variables: ["pml_ob1_priority", "btl_tcp_exclusivity"])
    #expect(tcp.summary(spansNodes: true) == "ob1: tcp")
    #expect(tcp.summary(spansNodes: false) == "ob1: tcp")
  }

  @Test(arguments: [
    [], ["pml_ob1_priority", "pml_ucx_priority"], ["pml_cm_priority"], ["pml_ob1_priority"],
  ])
  func whatIsNotKnownIsNotTold(_ variables: [String]) {
    #expect(Transports(variables: variables).summary(spansNodes: true) == nil)
  }
}

@RankActor @Suite(.serialized) struct TransportsRankTests {
  /// The library that is installed for the tests is Open MPI, which tells.
  @Test func thisLibraryTells() throws {
    try RankWorld.run { world throws in
      let found = Transports.current
      #expect(found.matching.count == 1, "\(found)")
      #expect(Transports.current == found)
    }
  }
}
