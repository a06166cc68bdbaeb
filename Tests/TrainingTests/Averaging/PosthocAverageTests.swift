// Averages made after the training: of a trajectory that is known, they are those kept directly.

import Foundation
import Parallel
import Storage
import Tensors
import TestSupport
import Testing
import Training

@Suite struct PosthocAverageTests {
  let temporary = try! TemporaryFolder()

  private let layout: ParameterLayout = {
    var layout = ParameterLayout()
    layout.append("a/W", shape: [2, 3])
    layout.append("b", shape: [1])
    return layout
  }()

  /// Curves of several speeds, and a jump.
  private func weights(_ step: Int) -> [Double] {
    (0..<7).map { i in
      let t = Double(step)
      return i == 6 ? (step > 70 ? 1 : -1) : sin(t * (0.02 + 0.03 * Double(i))) + t / 200
    }
  }

  /// The average of a length after a number of steps, in double precision.
  private func average(_ length: Double, _ steps: Int) -> [Double] {
    let average = PowerAverage(length: length)
    var mean = [Double](repeating: 0, count: 7)
    for step in 1...steps {
      let rate = average.rate(atStep: step)
      for (i, w) in weights(step).enumerated() { mean[i] += (w - mean[i]) * rate }
    }
    return mean
  }

  private func averages(_ lengths: [Double], _ step: Int) -> [Double: [Float]] {
    Dictionary(uniqueKeysWithValues: lengths.map { ($0, average($0, step).map { Float($0) }) })
  }

  private func checkpoint(_ step: Int, _ lengths: [Double]) -> Checkpoint {
    let model = weights(step).map { Float($0) }
    return Checkpoint(
      layout: layout, model: model, ema: model, firstMoment: model, secondMoment: model,
      averages: averages(lengths, step),
      progress: .init(step: step, imagesSeen: step, epochs: [0], seed: 1, shards: 1, loss: 1),
      configuration: "steps: 1\n",
      facts: ModelFacts(name: "diffusion", texts: ["prediction": "v"], tables: ["betas": [0.5]]),
      provenance: ["host": "a"])
  }

  /// A run with checkpoints at 60 and 120, and snapshots in between and behind.
  private func run(_ name: String = "run", _ lengths: [Double] = [0.05, 0.1]) throws -> RunFolder {
    let run = RunFolder(temporary.file(name))
    try run.prepare(configuration: "", keepsAverages: true)
    for step in [60, 120] {
      try checkpoint(step, lengths).write(to: run.checkpoints.path(step: step))
    }
    for step in stride(from: 10, through: 130, by: 10) where !lengths.isEmpty {
      try AverageSnapshot(
        step: step, seed: 1, layout: layout, averages: averages(lengths, step)
      )
      .write(to: run.averages.path(step: step))
    }
    return run
  }

  private func make(
    _ run: RunFolder, _ length: Double, upTo step: Int? = nil
  ) throws -> (PosthocAverage, skipped: [String]) {
    var skipped: [String] = []
    let made = try PosthocAverage(run: run, length: length, upTo: step) { skipped.append($0.path) }
    return (made, skipped)
  }

  /// The error is at most that of the profile times the root of the integral of the squared
  /// weights, by the inequality of Cauchy and Schwarz.
  @Test(arguments: [(0.08, nil, 120), (0.15, nil, 120), (0.03, nil, 120), (0.08, 95, 90)])
  func isTheAverageThatWasNotKept(length: Double, limit: Int?, step: Int) throws {
    let (made, skipped) = try make(try run(), length, upTo: limit)
    #expect(made.step == step && made.count == 2 * step / 10 && skipped == [])
    let target = PowerProfile(PowerAverage(length: length), step: step)
    let norm = target.product(target).squareRoot()
    for (i, expected) in average(length, step).enumerated() {
      let square = (1...step).reduce(0) { $0 + weights($1)[i] * weights($1)[i] }
      let bound = made.residual * norm * square.squareRoot()
      #expect(abs(Double(made.checkpoint.ema[i]) - expected) < bound + 1e-5, "\(i)")
    }
    #expect(made.residual < (length < 0.05 ? 0.5 : 0.05), "\(made.residual)")
  }

  /// An average of another run is passed over, and told of.
  @Test func anAverageOfAnotherRunIsLeftOut() throws {
    let run = try run()
    let stray = run.averages.path(step: 30)
    try AverageSnapshot(
      step: 30, seed: 2, layout: layout, averages: averages([0.05, 0.1], 90)
    ).write(to: stray)
    let (made, skipped) = try make(run, 0.08)
    #expect(skipped == [stray] && made.count == 22)
    // One that does not say its seed is of an earlier program.
    try AverageSnapshot(step: 30, seed: nil, layout: layout, averages: averages([0.05, 0.1], 30))
      .write(to: stray)
    let (whole, none) = try make(run, 0.08)
    #expect(none == [] && whole.count == 24)
  }

  @Test func aLengthThatWasKeptIsItself() throws {
    for length in [0.05, 0.1] {
      let (made, _) = try make(try run("run \(length)"), length)
      #expect(made.residual < 1e-6)
      for (found, expected) in zip(made.checkpoint.ema, average(length, 120)) {
        #expect(abs(Double(found) - expected) < 1e-5)
      }
    }
  }

  @Test func theRestIsTheCheckpoints() throws {
    let run = try run()
    let before = try Checkpoint.read(path: run.checkpoints.path(step: 60))
    var (made, _) = try make(run, 0.08, upTo: 119)
    #expect(made.source == run.checkpoints.path(step: 60) && made.step == 110)
    let note = try #require(made.checkpoint.provenance["average"])
    #expect(note.hasPrefix("power average of length 0.08 at step 110, of 22 kept ones"))
    #expect(made.checkpoint.ema != before.ema)
    (made, _) = try make(run, 0.08, upTo: 60)
    var rest = made.checkpoint
    rest.ema = before.ema
    rest.provenance["average"] = nil
    #expect(rest == before && made.step == 60)
  }

  /// The analytic variance is measured for some weights; those of the average are others now.
  @Test func whatWasMeasuredWithTheOldAverageGoes() throws {
    let run = try run()
    var measured = checkpoint(120, [0.05, 0.1])
    measured.facts = ModelFacts(
      name: "diffusion", texts: [:],
      tables: ["betas": [0.5], "noise_norms_average": [1], "noise_norms_model": [2]])
    try measured.write(to: run.checkpoints.path(step: 120))
    let facts = try make(run, 0.08).0.checkpoint.facts
    #expect(facts?.tables == ["betas": [0.5], "noise_norms_model": [2]])
  }

  @Test func damagedFilesArePassedOver() throws {
    let run = try run()
    let whole = try make(run, 0.08).0
    try temporary.write([1, 2, 3], to: "run/averages/step-00000050.h5")
    try temporary.write([1, 2, 3], to: "run/checkpoints/step-00000120.h5")
    let (made, skipped) = try make(run, 0.08, upTo: 120)
    #expect(skipped == [run.checkpoints.path(step: 120), run.averages.path(step: 50)])
    #expect(made.source == run.checkpoints.path(step: 60))
    #expect(made.step == 120 && made.count == 22 && made.residual >= whole.residual)
  }

  @Test func whatCannotBeMadeIsRefused() throws {
    func refusal(_ run: RunFolder, _ step: Int? = nil) -> String {
      do {
        _ = try make(run, 0.08, upTo: step)
        return "nothing is refused"
      } catch {
        return "\(error)"
      }
    }
    let without = try run("without", [])
    #expect(
      refusal(without).contains("has no power averages up to step 120; train with average_lengths"))
    #expect(refusal(without, 30).contains("there is no good checkpoint up to step 30"))
    #expect(
      refusal(RunFolder(temporary.file("no"))).contains("there is no run folder of this name"))
    let run = try run()
    var other = ParameterLayout()
    other.append("a/W", shape: [7])
    try AverageSnapshot(
      step: 20, seed: 1, layout: other, averages: averages([0.05], 20)
    )
    .write(to: run.averages.path(step: 20))
    #expect(refusal(run).contains("another architecture"))
  }
}
