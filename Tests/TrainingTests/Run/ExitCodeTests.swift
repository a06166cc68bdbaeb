// Which exit code each error stands for (sysexits.h), and one line for each.

import Diffusion
import MPI
import Models
import Sampling
import Storage
import Testing
import Training

@Suite struct ExitCodeTests {
  struct Other: Error, CustomStringConvertible {
    let description = "something else"
  }

  private var configurationError: ConfigurationError? {
    var configuration = Configuration()
    return #expect(throws: ConfigurationError.self) {
      try configuration.apply(assignment: "steps=x")
    }
  }

  @Test func codesFollowTheConvention() throws {
    let agreed = AgreedFailure(rank: 2, failure: Failure("why", exitCode: 65))
    let cases: [(any Error, Int32, String)] = [
      (Failure("why", exitCode: 3), 3, "why"),
      (agreed, 65, "why"),
      (StorageError.missingInput(path: "a", reason: "b"), 66, "a: b"),
      (StorageError.badData(path: "a", reason: "b\nc"), 65, "a: b c"),
      (StorageError.cannotCreate(path: "a", reason: "b"), 73, "a: b"),
      (StorageError.inputOutput(path: "a", reason: "b"), 74, "a: b"),
      (try #require(configurationError), 64, "--set steps=x: 'steps' needs"),
      (DiffusionError.noSteps(0), 64, "The noise schedule has 0 steps"),
      (DiffusersError.meanPrediction, 64, "diffusers has no prediction: mean"),
      (EvaluationError.flowBetweenSteps, 64, "The flow runs between the steps"),
      (
        IntegrationError(image: 3, reason: .tooManyEvaluations(50, tolerance: 1e-5)), 64,
        "Image 3 is not at the end of its way after 50 evaluations"
      ),
      (
        IntegrationError(image: 3, reason: .notFinite), 65,
        "The network's output for image 3 is not finite"
      ),
      (Other(), 70, "something else"),
    ]
    for (error, code, message) in cases {
      let failure = ExitCode.failure(for: error)
      #expect(failure.exitCode == code, "\(error)")
      #expect(failure.message.hasPrefix(message), "\(failure.message)")
      #expect(!failure.message.contains("\n"))
    }
  }

  /// A value with a line break still makes one line.
  @Test func aConfigurationErrorIsOneLine() {
    var configuration = Configuration()
    let error = #expect(throws: ConfigurationError.self) {
      try configuration.apply(assignment: "steps=1\n2")
    }
    #expect(error?.description.contains("\n") == false)
  }

  @Test func thisMachineCanRunItsOwnBinary() {
    #expect(LaunchCheck.missingFeatures() == [])
  }
}
