// The weights of the simple objective, and how the errors of all predictions are related.

import Diffusion
import Foundation
import Testing

@Suite struct LossWeightingTests {
  private let ho = NoiseSchedule(.ho, steps: 1000)
  private static let weightings: [LossWeighting] = [
    .minSNR(gamma: 5), .minSNR(gamma: 0.5), .p2(k: 1, gamma: 1), .p2(k: 0.3, gamma: 0.5),
  ]

  private func snr(_ t: Int, _ schedule: NoiseSchedule) -> Double {
    schedule.cumulativeAlpha(t) / (1 - schedule.cumulativeAlpha(t))
  }

  /// Whatever the network emits, a wrong x̂_0 costs the same.
  @Test(arguments: weightings)
  func theCostIsThatOfTheImage(weighting: LossWeighting) {
    let (x0, xt) = (scattered(24, seed: 1), scattered(24, seed: 2))
    let wrong = scattered(24, seed: 3)
    for schedule in [ho, NoiseSchedule(.cosine, steps: 50), NoiseSchedule(.sigmoid, steps: 50)] {
      for t in [1, 2, schedule.steps / 2, schedule.steps - 1] {
        let costs = Prediction.allCases.map { prediction in
          let toOutput = Prediction.x0.conversion(to: prediction, at: t, of: schedule)
          // In Double: an output in Float could not say x̂_0 where little of it is left.
          let target = prediction.definition(t, schedule)
          let error = (0..<24).reduce(0.0) { sum, i in
            let (clean, noisy) = (Double(x0[i]), Double(xt[i]))
            let e =
              toOutput(Double(wrong[i]), xt: noisy) - target.x0 * clean - target.xt * noisy
            return sum + e * e
          }
          return weighting.weight(at: t, of: schedule, for: prediction) * error
        }
        for cost in costs { #expect(difference(cost, costs[1], floor: 0) < 1e-7, "\(t)") }
      }
    }
  }

  /// min(SNR, 5)/SNR for ε, min(SNR, 5) for x_0, min(SNR, 5)/(SNR + 1) for v (Hang et al. 2023).
  @Test func minSNRIsAsPublished() {
    let weighting = LossWeighting.minSNR(gamma: 5)
    for t in 1...1000 {
      let snr = snr(t, ho)
      for (prediction, weight) in [
        (Prediction.epsilon, min(snr, 5) / snr), (.x0, min(snr, 5)), (.v, min(snr, 5) / (snr + 1)),
      ] {
        let ours = weighting.weight(at: t, of: ho, for: prediction)
        #expect(difference(ours, weight, floor: 0) < 1e-8, "\(prediction) \(t)")
      }
      // All of t > 130 count fully.
      let ofNoise = weighting.weight(at: t, of: ho, for: .epsilon)
      #expect(t > 130 ? abs(ofNoise - 1) < 1e-12 : ofNoise < 0.9999)
    }
  }

  /// 1/(k + SNR)^γ of the error of ε̂ (Choi et al. 2022); γ = 0 is no weight.
  @Test func p2IsAsPublished() {
    for t in [1, 10, 500, 1000] {
      let snr = snr(t, ho)
      for (k, gamma) in [(1.0, 1.0), (1, 0.5), (0.01, 2), (1, 0)] {
        let weighting = LossWeighting.p2(k: k, gamma: gamma)
        let weight = 1 / pow(k + snr, gamma)
        #expect(
          difference(weighting.weight(at: t, of: ho, for: .epsilon), weight, floor: 0) < 1e-8)
        #expect(
          difference(weighting.weight(at: t, of: ho, for: .x0), weight * snr, floor: 0) < 1e-8)
      }
    }
  }

  @Test(arguments: Prediction.allCases)
  func noneIsNone(prediction: Prediction) {
    #expect(
      (1...1000).allSatisfy {
        LossWeighting.none.weight(at: $0, of: ho, for: prediction) == 1
      })
    #expect(LossWeighting.none.mean(of: ho, for: prediction) == 1)
  }

  /// Where nothing is left of the image its error counts for nothing, and nothing is divided by 0.
  @Test(arguments: weightings)
  func nothingIsLeftAtTheEnd(weighting: LossWeighting) throws {
    let schedule = try ho.withZeroTerminalSNR()
    for prediction in [Prediction.x0, .v, .mean] {
      #expect(weighting.weight(at: 1000, of: schedule, for: prediction) == 0)
      let mean = weighting.mean(of: schedule, for: prediction)
      #expect(mean.isFinite && mean > 0)
    }
  }

  @Test(arguments: weightings)
  func theMeanIsOverAllSteps(weighting: LossWeighting) {
    let schedule = NoiseSchedule(betas: [0.1, 0.3, 0.5])
    let sum = [0.9, 0.63, 0.315].reduce(0.0) { sum, bar in
      let snr = bar / (1 - bar)
      return switch weighting {
      case .none: sum
      case .minSNR(let gamma): sum + min(snr, gamma) / snr
      case .p2(let k, let gamma): sum + 1 / pow(k + snr, gamma)
      }
    }
    #expect(difference(weighting.mean(of: schedule, for: .epsilon), sum / 3) < 1e-14)
  }
}

/// The same error in the words of x_0, ε, v, the bound and the score.
@Suite struct ErrorIdentityTests {
  static let schedules: [NoiseSchedule] = [
    NoiseSchedule(.ho, steps: 1000), NoiseSchedule(.cosine, steps: 100),
    NoiseSchedule(.sigmoid, steps: 100), NoiseSchedule(.quadratic(from: 1e-4, to: 0.3), steps: 40),
    NoiseSchedule(.constant(0.1), steps: 30), NoiseSchedule(betas: [0.5, 0.9]),
    NoiseSchedule(.warmup(from: 0.01, to: 0.2, share: 0.5), steps: 20),
    NoiseSchedule(.jsd, steps: 30),
  ]

  /// ‖v err‖² = (1 + SNR) ‖x_0 err‖² and ‖ε err‖² = SNR ‖x_0 err‖².
  @Test(arguments: schedules)
  func errorsAreRelatedBySNR(schedule: NoiseSchedule) {
    for t in 1...schedule.steps {
      let (bar, rest) = (schedule.cumulativeAlpha(t), schedule.noiseVariance(t))
      func slope(_ prediction: Prediction) -> Double {
        Prediction.x0.conversion(to: prediction, at: t, of: schedule).scale
      }
      #expect(difference(slope(.v) * slope(.v), 1 + bar / rest, floor: 0) < 1e-13)
      #expect(difference(slope(.epsilon) * slope(.epsilon), bar / rest, floor: 1e-300) < 1e-13)
    }
  }

  /// The weight of ‖x_0 − x̂_0‖² in the bound, ᾱ_{t−1} β_t²/(2 β̃_t (1−ᾱ_t)²), is
  /// ½ (SNR_{t−1} − SNR_t) (Kingma et al. 2021, eq. 14).
  @Test(arguments: schedules)
  func theWeightOfTheBoundIsALossOfSNR(schedule: NoiseSchedule) {
    let chain = ReverseChain(
      schedule, visiting: Array(1...schedule.steps), variance: .fixedSmall, levels: nil)
    func snr(_ t: Int) -> Double { schedule.cumulativeAlpha(t) / schedule.noiseVariance(t) }
    for t in 2...schedule.steps {
      let (beta, rest) = (schedule.beta(t), schedule.noiseVariance(t))
      let weight =
        schedule.cumulativeAlpha(t - 1) * beta * beta
        / (2 * schedule.posteriorVariance(t) * rest * rest)
      // The difference of neighbours loses digits: SNR falls by a ten-thousandth at least.
      #expect(difference(weight, 0.5 * (snr(t - 1) - snr(t)), floor: 0) < 1e-9, "t = \(t)")
      let term = chain.term(t, squaredError: 3, dimensions: 7)
      #expect(difference(term, 3 * weight, floor: 0) < 1e-12, "t = \(t)")
    }
  }

  /// L_simple is denoising score matching: with s = −ε̂/σ_t, σ_t² ‖s − ∇ log q(x_t | x_0)‖² is
  /// ‖ε − ε̂‖² (Vincent 2011; Ho et al. 2020, section 3.2).
  @Test(arguments: schedules)
  func simpleIsScoreMatching(schedule: NoiseSchedule) {
    guard !schedule.hasZeroTerminalSNR else { return }
    let diffusion = GaussianDiffusion(schedule: schedule, levels: nil)
    let (x0, noise, output) = (
      scattered(32, seed: 4), scattered(32, seed: 5), scattered(32, seed: 6)
    )
    for t in [1, 2, schedule.steps] {
      var xt = x0
      var span = xt.mutableSpan
      diffusion.forward(t: t, x0: x0.span, noise: noise.span, into: &span)
      let (signal, variance) = (
        schedule.cumulativeAlpha(t).squareRoot(), schedule.noiseVariance(t)
      )
      let matching = (0..<32).reduce(0.0) { sum, i in
        let score = -Double(output[i]) / variance.squareRoot()
        // ∂/∂x log N(x; √ᾱ x_0, 1 − ᾱ).
        let gradient = -(Double(xt[i]) - signal * Double(x0[i])) / variance
        return sum + variance * (score - gradient) * (score - gradient)
      }
      let simple = diffusion.simpleTerm(t: t, x0: x0.span, xt: xt.span, output: output.span)
      #expect(difference(simple * 32, matching) < 1e-9)
      let direct = zip(noise, output).reduce(0.0) {
        $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1)
      }
      #expect(difference(simple * 32, direct) < 1e-4)
    }
  }
}
