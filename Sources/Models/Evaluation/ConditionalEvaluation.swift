// What it is worth to be told what images show: an evaluation with it, without it, or both.

import Foundation
import Layers
import Tensors

/// Whether a model is told what the images show while it is evaluated.
public enum EvaluatedCondition: String, CaseIterable, Sendable {
  /// Told, and not told, and the difference.
  case both
  /// Told.
  case given
  /// Not told.
  case dropped

  fileprivate var ways: [Bool] {
    switch self {
    case .both: [true, false]
    case .given: [true]
    case .dropped: [false]
    }
  }
}

extension Objective {
  /// An evaluation of this model, told what images show, not told, or both.
  ///
  /// - Throws: `EvaluationError.notConditional`.
  func told(
    _ evaluation: any Evaluation, _ options: EvaluationOptions
  ) throws(EvaluationError) -> any Evaluation {
    guard condition != .none else {
      guard options.condition == nil else { throw .notConditional }
      return evaluation
    }
    return ConditionalEvaluation(evaluation, options.condition ?? .both)
  }
}

/// Another evaluation of a model that is told what images show, or not told, or first the one and then
/// the other with the same random numbers.
///
/// The difference of −log p(x) and −log p(x | c) is what c tells of an image; of two bounds it is an
/// estimate.
struct ConditionalEvaluation: Evaluation {
  private let evaluation: any Evaluation
  private let condition: EvaluatedCondition

  init(_ evaluation: any Evaluation, _ condition: EvaluatedCondition) {
    (self.evaluation, self.condition) = (evaluation, condition)
  }

  var width: Int { condition.ways.count * evaluation.width }
  var evaluations: Int? { evaluation.evaluations.map { condition.ways.count * $0 } }
  var facts: [String: Fact] {
    evaluation.facts.merging(["condition": .text(condition.rawValue)]) { $1 }
  }
  var notes: [String] { evaluation.notes }

  func measure(
    _ batch: Batch, _ draws: Draws, _ makePass: () -> Pass, progress: () -> Void
  ) throws -> [[Double]] {
    var numbers = [[Double]](repeating: [], count: batch.count)
    for isTold in condition.ways {
      let measured = try evaluation.measure(
        isTold ? batch : Batch(images: batch.images, numbers: batch.numbers), draws, makePass,
        progress: progress)
      for n in numbers.indices { numbers[n] += measured[n] }
    }
    return numbers
  }

  /// The estimates of the told model, then those of the untold one, then what the condition tells by
  /// each; the tables of the first.
  func results(of measurements: Measurements) -> EvaluationResults {
    let width = evaluation.width
    let parts = condition.ways.indices.map { way in
      var values: [Double] = []
      values.reserveCapacity(measurements.count * width)
      for n in 0..<measurements.count {
        for column in way * width..<(way + 1) * width { values.append(measurements[n, column]) }
      }
      return evaluation.results(of: Measurements(values, width: width))
    }
    var results = parts[0]
    results.estimates = zip(condition.ways, parts).flatMap { isTold, part in
      part.estimates.map { isTold ? $0 : $0.named("\($0.name), not told") }
    }
    guard condition == .both else { return results }
    for (told, untold) in zip(parts[0].estimates, parts[1].estimates) {
      var moments = Moments()
      for (with, without) in zip(told.totals, untold.totals) { moments.add(without - with) }
      results.tables.append(
        .init(
          "what the condition tells of an image (\(told.name))", columns: ["bits", "± s.e."],
          rows: [[moments.mean / M_LN2, moments.standardError / M_LN2]]))
    }
    return results
  }
}
