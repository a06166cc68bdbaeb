// Options from files and the command line: which counts, and what is refused.

import Foundation
import Jobs
import TestSupport
import Testing

@Suite struct JobChoicesTests {
  let folder = try! TemporaryFolder()

  private func choices(_ files: String..., line: [(String, [String])] = []) throws -> JobChoices {
    var choices = JobChoices()
    for (number, text) in files.enumerated() {
      try choices.add(file: folder.write(Array(text.utf8), to: "\(number).yaml"))
    }
    for (key, words) in line { try choices.add(.init(key: key, words: words)) }
    return choices
  }

  @Test func theLastWordCounts() throws {
    let found = try choices(
      "nodes: 2\ntime: 24:00:00\naccount: lab\n", "nodes: 4\nexclusive: false\n",
      line: [("nodes", ["8"]), ("requeue", ["false"])])
    let request = found.request()
    #expect(request.nodes == 8 && request.time == 86_400 && request.account == "lab")
    #expect(!request.isExclusive && request.requeues == false)
    #expect(found.given.map(\.key) == ["nodes", "time", "account", "exclusive", "requeue"])
    #expect(found.given[1].source == folder.file("0.yaml") + ":2")
    #expect(found.given[0].source == "--nodes 8")
    #expect(found.request(without: ["account"]).account == nil)
    // No file, and an empty one, say nothing.
    var none = JobChoices()
    try none.add(file: folder.file("no.yaml"))
    try none.add(file: folder.write([], to: "empty.yaml"))
    #expect(none.request() == JobRequest() && none.files == [folder.file("empty.yaml")])
  }

  /// A value that every option takes, another than its default.
  static let words: [String: [String]] = [
    "nodes": ["2"], "ranks_per_node": ["2"], "ranks_per_socket": ["1"], "cores": ["here"],
    "sockets": ["2"], "time": ["1-00:00:30"], "partition": ["a"], "account": ["a"], "qos": ["a"],
    "constraint": ["a"], "reservation": ["a"], "mem": ["2G"], "mail": ["a"], "name": ["a"],
    "log": ["a"], "exclusive": ["false"], "array": ["seed=1-8%2"], "chain": ["3"],
    "requeue": ["false"], "warn_before": ["60"], "modules": ["gcc openmpi"], "setup": ["a b", "c"],
    "env": ["A=b c"], "container": ["a"], "launcher": ["srun"], "extra": ["a"], "skip": ["a"],
    "program": ["a"], "parallel_environment": ["a"], "hostfile": ["a"],
  ]

  @Test func everyOptionChangesTheRequest() throws {
    #expect(Set(JobOption.all.map(\.key)) == Set(Self.words.keys))
    for (key, words) in Self.words {
      #expect(try choices(line: [(key, words)]).request() != JobRequest(), "\(key)")
    }
    let request = try choices(line: Self.words.map { ($0.key, $0.value) }).request()
    #expect(request.memory == 2048 && request.time == 86_430)
    #expect(request.modules == ["gcc", "openmpi"] && request.setup == ["a b", "c"])
    #expect(request.seeds == .init(range: 1...8, limit: 2) && request.cores == .here)
  }

  @Test(arguments: [
    ("nodes", ["0"]), ("nodes", ["x"]), ("nodes", ["1", "2"]), ("nodes", [""]), ("cores", ["0"]),
    ("cores", ["there"]), ("time", ["soon"]), ("time", ["0"]), ("mem", ["4"]), ("mem", ["0G"]),
    ("mem", ["G"]), ("launcher", ["orun"]), ("env", ["A"]), ("env", ["1A=b"]), ("env", ["A B=c"]),
    ("env", ["A=b", "=c"]), ("env", ["Ä=c"]), ("array", ["1-8"]), ("array", ["seed=8-1"]),
    ("array", ["seed=1-8%0"]), ("array", ["seed=1-8%"]), ("array", ["seed=1"]),
    ("array", ["seed=1-2-3"]), ("array", ["seed=1-8%2%3"]), ("array", ["seed=-1-8"]),
    ("chain", ["0"]), ("requeue", ["yes"]), ("warn_before", ["-1"]), ("name", [""]),
    ("nodse", ["1"]),
  ])
  func wrongWordsAreRefused(_ key: String, _ words: [String]) {
    #expect(throws: JobError.self) { try choices(line: [(key, words)]) }
  }

  @Test func filesStandWhereTheUserHasThem() {
    let etc = "/etc/ddpm-dist/job.yaml"
    let files = JobChoices.defaultFiles
    #expect(files(["HOME": "/home/a"]) == [etc, "/home/a/.config/ddpm-dist/job.yaml"])
    #expect(
      files(["HOME": "/home/a", "XDG_CONFIG_HOME": "/x"]) == [etc, "/x/ddpm-dist/job.yaml"])
    // A relative one is none (XDG base directory specification).
    #expect(files(["XDG_CONFIG_HOME": "x"]) == [etc])
  }
}
