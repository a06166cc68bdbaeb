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
  /// The names of all classes; nil where the conditions are captions.
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

  /// The prompts of users.
  ///
  /// - Throws: `Failure` for what cannot be said to the model.
  public init(prompts: [String], _ reader: PromptReader) throws(Failure) {
    var conditions: [Condition] = []
    let pool = BufferPool()
    for prompt in prompts {
      do throws(CaptionFault) {
        conditions.append(try reader.condition(prompt, in: pool))
      } catch {
        throw Failure(
          "the prompt '\(String(prompt.unicodeScalars.prefix(80)))' \(error.reason): say it otherwise.",
          exitCode: ExitCode.usage)
      }
    }
    self.init(conditions, words: prompts)
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

  /// The captions that images were drawn for, one for each; nil where they are classes.
  func captions(of images: Range<Int>) -> [String]? {
    classNames == nil ? images.map { words[$0 % words.count] } : nil
  }

  /// A checksum of the words.
  public var checksum: String {
    var hash = ContentHash()
    for word in words { Array((word + "\0").utf8).withUnsafeBytes { hash.update($0) } }
    return hash.hexadecimal()
  }

  /// A picture of images and the words for them: with a row for each condition where there are several and
  /// not too many, else with the words under each of up to 1,024 images; those of a single condition stand
  /// once.
  ///
  /// - Parameters:
  ///   - images: The numbers of the images.
  ///   - columns: Images in a row where conditions have none; nil: such that it is about square.
  ///   - samples: The bytes of some of them, counted from the first.
  func picture(
    of images: Range<Int>, columns: Int? = nil, shape: ImageShape, format: PixelFormat,
    _ samples: (Range<Int>) throws -> [UInt8]
  ) rethrows -> Picture {
    if (2...64).contains(conditions.count) {
      return try rows(of: images, shape: shape, format: format, samples)
    }
    let grid = ImageGrid(shape: shape, count: images.count, columns: columns)
    // Columns with words are wide, and many images would make a picture that nobody can open.
    guard conditions.count == 1 || images.count <= 1024 else {
      return grid.picture(of: try samples(0..<images.count), format)
    }
    let captions: GridCaptions =
      conditions.count == 1
      ? .rows(Array(repeating: "", count: grid.rows - 1) + words)
      : .images(images.map { words[$0 % words.count] })
    return grid.picture(of: try samples(0..<images.count), format, captions: captions)
  }

  /// A picture with a row for each condition that some image shows.
  ///
  /// - Parameters:
  ///   - images: The numbers of the images.
  ///   - samples: The bytes of some of them, counted from the first.
  private func rows(
    of images: Range<Int>, shape: ImageShape, format: PixelFormat,
    _ samples: (Range<Int>) throws -> [UInt8]
  ) rethrows -> Picture {
    let rows = conditions.indices.map { row in
      (
        words: words[row],
        places: images.filter { $0 % conditions.count == row }.map { $0 - images.lowerBound }
      )
    }.filter { !$0.places.isEmpty }
    let columns = rows.reduce(1) { max($0, $1.places.count) }
    // Places without an image are grey, as the margin is.
    let nothing = [Float](repeating: 0, count: shape.count).withUnsafeBufferPointer {
      format.encode($0)
    }
    var bytes: [UInt8] = []
    for row in rows {
      for place in row.places { bytes += try samples(place..<place + 1) }
      for _ in row.places.count..<columns { bytes += nothing }
    }
    return ImageGrid(shape: shape, count: rows.count * columns, columns: columns)
      .picture(of: bytes, format, captions: .rows(rows.map(\.words)))
  }
}
