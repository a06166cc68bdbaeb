// What is given twice on a command line.

import Testing
import Training

@Suite struct RepetitionTests {
  /// What the argument parser says of a command with --one, --many, --flag and a file.
  private static let help = """
    {"command": {"arguments": [
      {"kind": "option", "isRepeating": false, "names": [{"kind": "long", "name": "one"}]},
      {"kind": "option", "isRepeating": true, "names": [{"kind": "long", "name": "many"}]},
      {"kind": "flag", "isRepeating": false, "names": [{"kind": "long", "name": "flag"}]},
      {"kind": "positional", "isRepeating": false}]}, "serializationVersion": 0}
    """

  @Test(arguments: [
    ("--one 1 --one 2", true), ("--one=1 x --one 1", true), ("--one=--one --one=2", true),
    ("--one 1", false), ("--one=--one", false), ("--many 1 --many 2 --many=3", false),
    ("--flag --flag", false), ("one one", false), ("--one 1 -- --one", false),
    ("-- --one --one", false), ("--on 1 --one 2", false), ("", false),
  ])
  func anOptionOfOneValue(line: String, isRefused: Bool) {
    let words = line.split(separator: " ").map(String.init)
    let refusal = RepeatedOption.refusal(in: words, describedBy: Self.help)
    #expect(refusal == (isRefused ? "--one is given twice; give it once." : nil))
  }

  @Test func aSetting() throws {
    func refusal(
      _ assignments: [String], _ options: [(key: String, value: String)] = []
    ) -> String? {
      do {
        try RepeatedKeys.requireNone(assignments: assignments, options: options)
        return nil
      } catch {
        return error.description
      }
    }
    #expect(refusal([]) == nil)
    #expect(refusal(["steps=3", "batch=steps=3", "steps", "steps"], [("seed", "1")]) == nil)
    #expect(
      refusal(["steps=3", "batch=3", "steps=3"])
        == "--set steps=3: 'steps' is given twice, also by --set steps=3; give it once.")
    #expect(
      refusal(["batch=3", "steps=3"], [("seed", "1"), ("steps", "5")])
        == "--set steps=3: 'steps' is given twice, also by --steps 5; give it once.")
  }
}
