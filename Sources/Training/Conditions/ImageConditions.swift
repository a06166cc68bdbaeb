// What a model is told of the images of a dataset.

import Dispatch
import Layers
import Models
import Storage
import Synchronization
import Tensors

/// What the images of a dataset are said to show.
public struct ImageConditions: Sendable {
  private enum Source: Sendable {
    case nothing
    case labels([Int], names: [String])
    /// The captions, and what the network is told by each of the different ones.
    case captions(ImageCaptions, [Condition])
  }

  private let source: Source

  /// Nothing is said of any image.
  public static let none = ImageConditions(.nothing)

  private init(_ source: Source) { self.source = source }

  /// What a model with these settings is told of the images of a dataset.
  ///
  /// A frozen encoder reads each of the different captions once, here.
  ///
  /// - Parameter settings: Those of the model, filled in.
  /// - Throws: `StorageError.badData` for a dataset that does not say it, or says other things;
  ///   `ConfigurationError`.
  public init(_ dataset: ImageDataset, _ settings: ConditioningSettings) throws {
    switch settings.condition {
    case .none: source = .nothing
    case .class:
      let names = settings.classNames ?? []
      source = .labels(try Self.labels(of: dataset, names), names: names)
    case .text:
      guard let captions = dataset.captions else {
        throw StorageError.badData(
          path: dataset.path,
          reason: "has no captions, but the model is told the caption of each image")
      }
      let told = try Self.told(captions.unique, by: PromptReader(settings), of: dataset.path)
      source = .captions(captions, told)
    }
  }

  private static func labels(
    of dataset: ImageDataset, _ names: [String]
  ) throws(StorageError) -> [Int] {
    guard let labels = dataset.labels else {
      throw .badData(
        path: dataset.path, reason: "has no labels, but the model is told the class of each image")
    }
    if let other = dataset.classNames, other != names {
      throw .badData(
        path: dataset.path,
        reason: "has other classes than the model was trained on: "
          + (zip(other, names).first { $0 != $1 }.map { "'\($0)' where the model has '\($1)'" }
            ?? "\(other.count), not \(names.count)"))
    }
    if let large = labels.max(), large >= names.count {
      throw .badData(
        path: dataset.path,
        reason:
          "has an image of class \(large), but the model's classes are 0 to \(names.count - 1)")
    }
    return labels
  }

  /// What captions tell, each computed by itself, on all cores.
  private static func told(
    _ captions: [String], by reader: PromptReader, of path: String
  ) throws(StorageError) -> [Condition] {
    let told = Mutex([Condition](repeating: .none, count: captions.count))
    let faults = Mutex<[Int: CaptionFault]>([:])
    DispatchQueue.concurrentPerform(iterations: captions.count) { place in
      do throws(CaptionFault) {
        let condition = try reader.condition(captions[place], in: BufferPool())
        told.withLock { $0[place] = condition }
      } catch {
        faults.withLock { $0[place] = error }
      }
    }
    if let (place, fault) = faults.withLock({ $0.min { $0.key < $1.key } }) {
      throw .badData(
        path: path,
        reason:
          "the caption '\(String(captions[place].unicodeScalars.prefix(80)))' \(fault.reason); shorten it, or set a larger context"
      )
    }
    return told.withLock(\.self)
  }

  /// A checksum of what is said of the images, in words that follow that of the images; empty where
  /// nothing is said.
  package var checksum: String {
    switch source {
    case .nothing: return ""
    case .labels(let labels, _):
      var hash = ContentHash()
      labels.map { Int64($0).littleEndian }.withUnsafeBytes { hash.update($0) }
      return " told \(hash.hexadecimal())"
    case .captions(let captions, _): return " told \(captions.hash)"
    }
  }

  /// What some images are said to show; empty where nothing is said.
  ///
  /// - Parameter draws: The random numbers of these images, which choose one of several captions.
  package func conditions(of images: some Collection<Int>, _ draws: Draws) -> [Condition] {
    switch source {
    case .nothing: []
    case .labels(let labels, _): images.map { .label(labels[$0]) }
    case .captions(let captions, let told):
      images.enumerated().map { n, image in
        let numbers = captions.numbers(of: image)
        let choice =
          numbers.count == 1
          ? 0 : draws.stream(.caption, image: n).integer(below: numbers.count)
        return told[numbers[choice]]
      }
    }
  }

  /// Some of what images are said to show, for grids of them: all classes, or up to so many captions;
  /// nil where nothing is said.
  package func examples(_ count: Int) -> ShownConditions? {
    switch source {
    case .nothing: return nil
    case .labels(_, let names):
      return ShownConditions(names.indices.map { .label($0) }, words: names, classNames: names)
    case .captions(let captions, let told):
      let step = max(1, told.count / count)
      let places = Array(stride(from: 0, to: told.count, by: step).prefix(count))
      return ShownConditions(places.map { told[$0] }, words: places.map { captions.unique[$0] })
    }
  }
}
