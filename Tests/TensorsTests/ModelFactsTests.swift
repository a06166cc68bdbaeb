// When two models' facts differ, and where.

import Tensors
import Testing

@Suite struct ModelFactsTests {
  private func facts(
    _ name: String = "diffusion", prediction: String = "epsilon", betas: [Double] = [0.1, 0.2]
  ) -> ModelFacts {
    ModelFacts(name: name, texts: ["prediction": prediction], tables: ["betas": betas])
  }

  @Test func differencesAreNamed() {
    #expect(facts().difference(from: facts()) == nil)
    #expect(facts().difference(from: facts(betas: [0.1, 0.2 * (1 + 1e-12)])) == nil)
    #expect(facts().difference(from: facts("other")) == "/other")
    #expect(facts().difference(from: facts(prediction: "v")) == "/diffusion/prediction")
    #expect(facts().difference(from: facts(betas: [0.1, 0.2001])) == "/diffusion/betas")
    #expect(facts().difference(from: facts(betas: [0.1])) == "/diffusion/betas")
    #expect(facts().difference(from: facts(betas: [0.1, .nan])) == "/diffusion/betas")
    // What others have beside is theirs.
    let more = ModelFacts(
      name: "diffusion", texts: ["prediction": "epsilon", "note": "x"],
      tables: ["betas": [0.1, 0.2], "gammas": [1]])
    #expect(facts().difference(from: more) == nil)
  }
}
