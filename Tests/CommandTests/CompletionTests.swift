// What Tab offers: all settings, as each shell wants them.

import Testing

extension CommandTests {
  @Suite struct CompletionTests {
    /// What the program offers after `--set`, asked as the scripts for the shells do.
    private func settings(for shell: String) async throws -> [Substring] {
      let outcome = try await run(
        .dist,
        ["---completion", "train", "--", "--set", "3", "0", "ddpm-dist", "train", "--set", ""],
        environment: ["SAP_SHELL": shell])
      #expect(outcome.status == 0 && outcome.errors.isEmpty, "\(outcome)")
      return outcome.output.split(separator: "\n")
    }

    @Test func allSettingsOfTheHelpAreOffered() async throws {
      let help = try await run(.dist, ["train", "--help"]).output
      let keys = try #require(help.range(of: "SETTINGS, for"))
      let expected = help[keys.upperBound...].matches(of: #/\n  (\w+): /#).map { "\($0.1)=" }
      #expect(expected.contains("learning_rate="))
      #expect(try await settings(for: "bash") == expected.map { Substring($0) })
    }

    @Test(arguments: [("zsh", ":"), ("fish", "\t")]) func otherShellsShowTheHelpToo(
      shell: String, separator: String
    ) async throws {
      let line = try #require(await settings(for: shell).first { $0.hasPrefix("flip=") })
      #expect(line == "flip=\(separator)mirror each image with probability 1/2")
    }

    @Test(arguments: [Program.dist, .sample], ["bash", "zsh", "fish"])
    func scriptsKnowTheFilesThatAnOptionTakes(_ program: Program, _ shell: String) async throws {
      let script = try await run(program, ["--generate-completion-script", shell])
      #expect(script.status == 0 && script.errors.isEmpty, "\(script)")
      let lines = script.output.split(separator: "\n")
      #expect(lines.contains { $0.contains("h5") && $0.contains(shell == "bash" ? "-fX" : "ckpt") })
    }
  }
}
