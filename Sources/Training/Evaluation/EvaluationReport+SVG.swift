// The terms of the bound as a picture.

import Figures
import Foundation
import Models

extension EvaluationReport {
  /// A plot of the terms of each estimate, from the first to the last, on a scale of logarithms.
  ///
  /// Terms that are not positive are gaps, and counted in the title: on this scale they have no place.
  func svg() -> String {
    let estimates = results.estimates
    let left = estimates.flatMap(\.means).count { !($0 > 0) }
    let terms = estimates.first?.terms ?? []
    // Of the best sub-sequences, each estimate has its own.
    let areShared = estimates.allSatisfy { $0.terms == terms }
    var plot = Plot(
      "Terms, \(unit), mean of \(count) images"
        + (left > 0 ? "; \(left) that are not positive are left out" : ""),
      x: areShared
        ? "term, from the image to the noise" : "number of the term, from the image to the noise",
      y: unit, scale: .logarithmic, identifier: "terms",
      estimates.map { estimate in
        Plot.Line(
          estimate.name,
          estimate.means.enumerated().map { Plot.Point(Double($0), inUnit($1)) }
            .filter { $0.y > 0 && $0.y.isFinite }, largestStep: 1)
      })
    plot.placeNames = areShared ? terms : terms.indices.map(String.init)
    return plot.svg(isAlone: true)
  }
}
