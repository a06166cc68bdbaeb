// What the images of a job show, in words.

import Layers
import MPI
import Storage
import Tensors

/// What images show, one after the other and again from the first, and what people call it.
public struct ShownConditions: Sendable {
  /// What the network is told.
  public let conditions: [Condition]
  /// The same in words, for pictures and files.
  public let words: [String]
  /// The names of all classes; nil where the conditions are none.
  public let classNames: [String]?

  /// - Parameter words: One for each condition.
  public init(_ conditions: [Condition], words: [String], classNames: [String]? = nil) {
    precondition(
      !conditions.isEmpty && conditions.count == words.count, "Each condition has its word.")
    (self.conditions, self.words, self.classNames) = (conditions, words, classNames)
  }

  /// The classes that users have named.
  ///
  /// - Parameters:
  ///   - texts: Names or numbers of classes, or `all`, where no class is called so.
  ///   - names: The names of all classes.
  /// - Throws: `Failure` for what is none.
  public init(classes texts: [String], of names: [String]) throws(Failure) {
    var labels: [Int] = []
    for text in texts {
      if let label = names.firstIndex(of: text)
        ?? Int(text).flatMap({ names.indices.contains($0) ? $0 : nil })
      {
        labels.append(label)
      } else if text == "all" {
        labels += names.indices
      } else {
        let meant = suggestion(for: text, among: names).map { "; did you mean \($0)?" } ?? "."
        let some = names.prefix(10).joined(separator: ", ") + (names.count > 10 ? ", …" : "")
        throw Failure(
          "--class \(text): there is no such class\(meant) The model has \(some) (numbers 0 to "
            + "\(names.count - 1)).", exitCode: ExitCode.usage)
      }
    }
    self.init(labels.map { .label($0) }, words: labels.map { names[$0] }, classNames: names)
  }

  /// The classes of images, where each has one.
  func labels(of images: Range<Int>) -> [Int]? {
    var labels: [Int] = []
    for image in images {
      guard case .label(let label) = conditions[image % conditions.count] else { return nil }
      labels.append(label)
    }
    return labels
  }

  /// Whether each condition has a row of its own in a picture: more than a few would be too many.
  var haveRows: Bool { (2...64).contains(conditions.count) }

  /// A picture with a row for each condition.
  ///
  /// - Parameters:
  ///   - images: The numbers of the images.
  ///   - samples: The bytes of some of them, counted from the first.
  func picture(
    of images: Range<Int>, shape: ImageShape, format: PixelFormat,
    _ samples: (Range<Int>) throws -> [UInt8]
  ) rethrows -> Picture {
    let rows = conditions.indices.map { row in
      images.filter { $0 % conditions.count == row }.map { $0 - images.lowerBound }
    }
    let columns = rows.reduce(1) { max($0, $1.count) }
    // Places without an image are grey, as the margin is.
    let nothing = [Float](repeating: 0, count: shape.count).withUnsafeBufferPointer {
      format.encode($0)
    }
    var bytes: [UInt8] = []
    for row in rows {
      for place in row { bytes += try samples(place..<place + 1) }
      for _ in row.count..<columns { bytes += nothing }
    }
    return ImageGrid(shape: shape, count: rows.count * columns, columns: columns)
      .picture(of: bytes, format)
  }
}
