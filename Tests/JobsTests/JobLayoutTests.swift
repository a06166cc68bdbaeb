// Nodes, ranks and cores follow from what was said, and what does not fit is refused.

import Jobs
import Testing

@Suite struct JobLayoutTests {
  private func layout(
    hosts: Int? = nil, _ change: (inout JobRequest) -> Void
  ) throws(JobError) -> JobLayout {
    var request = JobRequest()
    change(&request)
    return try JobLayout(request, hosts: hosts) { (48, 4) }
  }

  @Test func ranksShareTheCoresOfANode() throws {
    let two = try layout { ($0.nodes, $0.ranksPerNode, $0.cores) = (2, 4, .count(34)) }
    #expect((two.ranks, two.coresPerRank, two.ranksPerSocket) == (8, 8, nil))
    var request = JobRequest()
    request.cores = .count(34)
    #expect(two.idleCores(of: request) == 2)
    let sockets = try layout { ($0.ranksPerSocket, $0.sockets, $0.cores) = (2, 2, .count(32)) }
    #expect((sockets.ranksPerNode, sockets.coresPerRank, sockets.ranksPerSocket) == (4, 8, 2))
    // A rank for each socket, where they are known and nothing else is said.
    let each = try layout { ($0.sockets, $0.cores) = (2, .count(32)) }
    #expect((each.nodes, each.ranksPerNode, each.coresPerRank) == (1, 2, 16))
    let here = try layout { $0.cores = .here }
    #expect((here.ranksPerNode, here.coresPerRank) == (4, 12))
    let hosts = try layout(hosts: 3) { $0.cores = .count(2) }
    #expect(hosts.nodes == 3)
  }

  @Test func whatDoesNotFitIsRefused() {
    #expect(throws: JobError.self) { try layout { _ in } }
    #expect(throws: JobError.self) { try layout { ($0.cores, $0.ranksPerNode) = (.count(2), 3) } }
    #expect(throws: JobError.self) { try layout { ($0.cores, $0.ranksPerSocket) = (.count(8), 1) } }
    #expect(throws: JobError.self) {
      try layout {
        ($0.cores, $0.ranksPerSocket, $0.sockets, $0.ranksPerNode) = (.count(8), 1, 2, 4)
      }
    }
    #expect(throws: JobError.self) {
      try layout(hosts: 2) { ($0.cores, $0.nodes, $0.hostFile) = (.count(2), 3, "hosts.txt") }
    }
  }

  @Test func thisMachineHasCores() {
    let (cores, sockets) = JobLayout.thisMachine()
    #expect(cores >= 1 && sockets >= 1 && sockets <= cores)
  }
}
