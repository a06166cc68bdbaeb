// The list of samplers: names, options, and what is refused.

import Diffusion
import Sampling
import Tensors
import Testing

@Suite struct SamplerKindTests {
  private let schedule = NoiseSchedule(.cosine, steps: 20)

  private func sampler(
    _ name: String, variance: ReverseVariance = .fixedLarge,
    _ change: (inout SamplerOptions) -> Void = { _ in }
  ) throws -> any Sampler {
    var options = SamplerOptions()
    change(&options)
    return try SamplerKind(named: name).sampler(
      of: SampledProcess(
        schedule: schedule, variance: variance, noiseNorms: Array(repeating: 0.5, count: 20)),
      options)
  }

  @Test func namesAreUniqueAndExplained() throws {
    let names = SamplerKind.all.map(\.name)
    #expect(Set(names).count == names.count && names.first == "ancestral")
    for kind in SamplerKind.all {
      #expect(!kind.help.isEmpty)
      let sampler = try sampler(kind.name) { $0.steps = 5 }
      #expect(sampler.facts["sampler"] == .text(kind.name))
      #expect(sampler.facts["steps"] == .integer(5))
      let expected: [String: Int?] = ["heun": 9, "predictor-corrector": 10, "rk45": nil]
      #expect(sampler.evaluations == expected[kind.name] ?? 5)
    }
  }

  @Test func optionsReachTheSampler() throws {
    #expect(try sampler("ddim") { $0.eta = 0.5 }.facts["eta"] == .number(0.5))
    #expect(try sampler("ddim").facts["grid"] == .text("trailing"))
    #expect(try sampler("ancestral").facts["grid"] == .text("linspace"))
    let listed = try sampler("ddim") { $0.grid = .list([3, 20]) }
    #expect(listed.evaluations == 2 && listed.facts["grid"] == .text("3,20"))
    #expect(try sampler("ancestral").evaluations == 20)
  }

  /// A rule that gives a step twice visits it once; what was drawn can be drawn again.
  @Test func stepsGivenTwiceAreToldAndListed() throws {
    // The noise levels of heun and euler are real numbers, of which none is double.
    for name in SamplerKind.all.map(\.name) where !["heun", "euler", "rk45"].contains(name) {
      let thinned = try sampler(name, variance: .fixedSmall) { ($0.grid, $0.steps) = (.karras, 20) }
      let perStep = name == "predictor-corrector" ? 2 : 1
      let count = try #require(thinned.evaluations) / perStep
      #expect(count < 20 && thinned.facts["steps"] == .integer(count))
      #expect(
        thinned.notes == ["The grid karras has \(count) different steps where 20 were asked for."])
      guard case .text(let list) = thinned.facts["grid"] else {
        Issue.record("\(thinned.facts)")
        continue
      }
      let again = try sampler(name, variance: .fixedSmall) {
        $0.grid = .list(list.split(separator: ",").map { Int($0)! })
      }
      #expect(again.evaluations == perStep * count && again.notes.isEmpty)
      #expect(try sampler(name) { $0.steps = 10 }.facts["grid"] != thinned.facts["grid"])
    }
  }

  /// β of a long jump leaves grain: fewer steps take the smaller variance unless told otherwise.
  @Test func fewStepsTakeTheSmallVariance() throws {
    let whole = try sampler("ancestral")
    #expect(whole.facts["variance"] == .text("fixed_large") && whole.notes.isEmpty)
    let few = try sampler("ancestral") { $0.steps = 19 }
    #expect(few.facts["variance"] == .text("fixed_small"))
    #expect(few.notes.count == 1 && few.notes[0].contains("--variance fixed_large"))
    let told = try sampler("ancestral") { ($0.steps, $0.variance) = (19, .fixedLarge) }
    #expect(told.facts["variance"] == .text("fixed_large") && told.notes.isEmpty)
    let small = try sampler("ancestral", variance: .fixedSmall) { $0.steps = 19 }
    #expect(small.facts["variance"] == .text("fixed_small") && small.notes.isEmpty)
  }

  @Test func whatCannotBeFollowedIsRefused() {
    #expect(throws: SamplerError.unknown("magic")) { try sampler("magic") }
    #expect(throws: SamplerError.foreignOption("variance", sampler: "ddim")) {
      try sampler("ddim") { $0.variance = .fixedSmall }
    }
    #expect(throws: SamplerError.foreignOption("eta", sampler: "ancestral")) {
      try sampler("ancestral") { $0.eta = 0 }
    }
    for eta in [-0.1, 1.5, .nan, .infinity] {
      #expect(throws: SamplerError.self) { try sampler("ddim") { $0.eta = eta } }
    }
    for order in [0, 4, -1] {
      #expect(throws: SamplerError.self) { try sampler("unipc") { $0.order = order } }
    }
    for tolerance in [0, -1, .nan, 1] {
      #expect(throws: SamplerError.self) { try sampler("rk45") { $0.tolerance = tolerance } }
    }
    #expect(throws: SamplerError.foreignOption("grid", sampler: "rk45")) {
      try sampler("rk45") { $0.grid = .karras }
    }
    #expect(throws: SamplerError.missingVariance(.analytic)) {
      try SamplerKind(named: "analytic-ddim").sampler(
        of: SampledProcess(schedule: schedule, variance: .fixedSmall), SamplerOptions())
    }
    for name in ["heun", "euler", "rk45"] {
      #expect(throws: SamplerError.wholeStepsOnly(sampler: name)) {
        try SamplerKind(named: name).sampler(
          of: SampledProcess(schedule: schedule, variance: .fixedSmall, hasRealTimes: false),
          SamplerOptions())
      }
    }
    for name in SamplerKind.all.map(\.name) where name != "rk45" {
      #expect(throws: DiffusionError.invalidSubset(steps: 21, available: 20)) {
        try sampler(name) { $0.steps = 21 }
      }
      #expect(throws: DiffusionError.self) { try sampler(name) { $0.grid = .list([1, 3, 3]) } }
    }
    #expect("\(SamplerError.unknown("x"))".contains("ancestral, ddim"))
    #expect(
      "\(SamplerError.foreignOption("eta", sampler: "ancestral"))"
        .contains("choose ddim or analytic-ddim"))
  }
}
