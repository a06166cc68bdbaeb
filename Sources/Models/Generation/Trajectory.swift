// What happens on the way to an image: x_t and x̂_0 at some of the evaluations.

import Layers
import Tensors

/// A way to draw images that also keeps x_t, x̂_0 and t of some evaluations, from the first to the last.
public struct Trajectory: Generation {
  private let generation: any Generation
  private let shape: [Int]
  /// How many evaluations are kept.
  public let frames: Int

  /// Keeps some evaluations of another way to draw images.
  ///
  /// - Parameters:
  ///   - shape: (h, w, c) of an image.
  ///   - frames: How many are kept, at least two; where an image has fewer evaluations, some stand
  ///     twice.
  public init(_ generation: any Generation, shape: [Int], frames: Int) {
    precondition(frames >= 2, "A trajectory has a beginning and an end.")
    (self.generation, self.shape, self.frames) = (generation, shape, frames)
  }

  /// Those of the images.
  public var evaluations: Int? { generation.evaluations }
  /// Those of the images, and the number of frames.
  public var facts: [String: Fact] {
    generation.facts.merging(["trajectory": .integer(frames)]) { $1 }
  }
  /// Those of the images, and that some frames are the same, where it is so.
  public var notes: [String] {
    guard let evaluations, evaluations < frames else { return generation.notes }
    return generation.notes + [
      "An image has \(evaluations) \(evaluations == 1 ? "evaluation" : "evaluations"), which "
        + "\(frames) frames show more than once."
    ]
  }

  /// Those of the images, then `/t`, `/x_t` and `/x_0`, frame after frame.
  public var extras: [ExtraArray] {
    generation.extras + [
      ExtraArray("t", [frames]), ExtraArray("x_t", [frames] + shape),
      ExtraArray("x_0", [frames] + shape),
    ]
  }

  /// Draws images and keeps what is seen on the way.
  public func draw(
    _ images: Range<Int>, given: Tensor?, _ makePass: () -> Pass,
    observe: (Observation) -> Void
  ) throws -> Drawn {
    /// What is kept of one evaluation, of all images.
    struct Frame {
      let t: [Double]
      let xt: [Float]
      let x0: [Float]
    }
    var kept: [Int: Frame] = [:]
    var count = 0
    let wanted = generation.evaluations.map { Set(places(of: $0)) }
    var drawn = try generation.draw(images, given: given, makePass) { observation in
      if wanted?.contains(count) ?? true {
        kept[count] = Frame(
          t: observation.t, xt: Array(observation.shown(observation.xt).scalars),
          x0: Array(observation.shown(observation.x0).scalars))
      }
      count += 1
      observe(observation)
    }
    let size = shape.reduce(1, *)
    var (t, xt, x0): ([Float], [Float], [Float]) = ([], [], [])
    for n in 0..<images.count {
      for place in places(of: own(n, count) { kept[$0]?.t[n] }) {
        guard let frame = kept[place] else {
          preconditionFailure("Every place of a trajectory is kept.")
        }
        t.append(Float(frame.t[n]))
        xt += frame.xt[n * size..<(n + 1) * size]
        x0 += frame.x0[n * size..<(n + 1) * size]
      }
    }
    drawn.extras += [t, xt, x0]
    return drawn
  }

  /// The evaluations that are an image's own: where each decides for itself, one that has arrived is
  /// asked on at its last time, as long as others of its group are on their way.
  private func own(_ n: Int, _ count: Int, time: (Int) -> Double?) -> Int {
    guard generation.evaluations == nil else { return count }
    var own = count
    // The last one is asked of all together.
    while own > 2, time(own - 2) == time(own - 1) { own -= 1 }
    return own
  }

  /// The evaluations that are kept of so many.
  private func places(of count: Int) -> [Int] {
    (0..<frames).map { ($0 * (count - 1) + (frames - 1) / 2) / (frames - 1) }
  }
}
