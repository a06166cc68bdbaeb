// What the first rank does with drawn images: it puts each where it belongs, and forgets it.

import Foundation
import HDF5
import Models
import Parallel
import Storage
import Tensors

/// The outputs of a job, on the first rank.
///
/// Files are made of one unfinished file, which grows group by group: the HDF5 file under
/// construction. Folders take each image as it comes.
final class SampleSink {
  private let sampler: ImageSampler
  private let request: SamplingRequest
  private let work: UnfinishedSamples?
  private let folders: [PictureFolder]
  /// The images that each folder lacks.
  private let lacking: [Set<Int>]
  /// The groups of which an image is missing somewhere, rising.
  let missingGroups: [Int]

  /// Opens the outputs, and finds out what is there.
  ///
  /// - Throws: `StorageError` for outputs that hold something else.
  init(_ sampler: ImageSampler, _ request: SamplingRequest) throws {
    (self.sampler, self.request) = (sampler, request)
    let shape = sampler.trained.shape
    let facts = sampler.generation.facts.merging(request.facts) { $1 }
    folders = try request.outputs.compactMap { output in
      guard case .folder(let path) = output else { return nil }
      return try PictureFolder(
        path, manifest: Self.manifest(facts, request.seed, shape), shape: shape,
        format: sampler.trained.format)
    }
    lacking = try folders.map { folder in
      let missing = try folder.missing(of: request.images)
      guard request.isResumed || missing.count == request.images.count else {
        throw StorageError.cannotCreate(
          path: folder.path,
          reason: "holds \(request.images.count - missing.count) of these images already: draw the "
            + "others with --resume, or choose another folder")
      }
      return Set(missing)
    }
    var done = request.images.count
    if let main = Self.mainFile(request.outputs) {
      let layout = SampleLayout(
        images: request.images.count, shape: shape, format: sampler.trained.format,
        attributes: facts.merging(["first_image": .integer(request.images.lowerBound)]) { $1 }
          .mapValues(AttributeValue.init).merging(["seed": .unsigned(request.seed)]) { $1 },
        extras: sampler.generation.extras.map { SampleLayout.Extra($0.name, extents: $0.extents) },
        labels: request.shown?.labels(of: request.images), classNames: request.shown?.classNames,
        captions: request.shown?.captions(of: request.images))
      let work = try UnfinishedSamples(for: main, layout, resuming: request.isResumed)
      done = work.done
      self.work = work
    } else {
      work = nil
    }
    let (lacking, images) = (lacking, request.images)
    missingGroups = request.groups.filter { group in
      let own = ImageGroups.images(of: group).clamped(to: images)
      return own.upperBound > images.lowerBound + done
        || lacking.contains { lacking in own.contains { lacking.contains($0) } }
    }
  }

  /// The file that the unfinished one stands beside: the first HDF5 file, which it becomes, or the
  /// first file.
  private static func mainFile(_ outputs: [SampleOutput]) -> String? {
    for case .samples(let path) in outputs { return path }
    for output in outputs {
      if case .folder = output { continue }
      return output.path
    }
    return nil
  }

  /// What a folder says of its images: everything that decides on them but their numbers.
  private static func manifest(
    _ facts: [String: Fact], _ seed: UInt64, _ shape: ImageShape
  ) throws -> String {
    var object: [String: Any] = [
      "format": "ddpm-samples", "seed": seed,
      "shape": [shape.height, shape.width, shape.channels],
    ]
    for (key, fact) in facts {
      switch fact {
      case .text(let text): object[key] = text
      case .integer(let number): object[key] = number
      case .number(let number): object[key] = number
      }
    }
    let data = try JSONSerialization.data(
      withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    return String(decoding: data, as: UTF8.self) + "\n"
  }

  /// Puts the images of a group where they are missing.
  ///
  /// - Throws: `StorageError`.
  func receive(_ group: ImageSampler.Group) throws {
    let imageBytes = sampler.trained.shape.count * sampler.trained.format.bytes
    func pixels(_ images: Range<Int>) -> [UInt8] {
      let places =
        images.lowerBound - group.images.lowerBound..<images.upperBound
        - group.images.lowerBound
      return Array(
        group.pixels[places.lowerBound * imageBytes..<places.upperBound * imageBytes])
    }
    for (folder, lacking) in zip(folders, lacking) {
      for image in group.images where lacking.contains(image) {
        try folder.write(pixels(image..<image + 1), image: image)
      }
    }
    guard let work else { return }
    // Groups come in order, so what is missing is what follows.
    let next = request.images.lowerBound + work.done
    let own = group.images.clamped(to: request.images)
    guard own.upperBound > next else { return }
    let new = max(own.lowerBound, next)..<own.upperBound
    let extras = zip(sampler.generation.extras, group.extras).map { extra, floats in
      let first = new.lowerBound - group.images.lowerBound
      return Array(floats[first * extra.count..<(first + new.count) * extra.count])
    }
    try work.append(pixels(new), extras: extras)
  }

  /// Makes what is there durable, before an end that others want.
  ///
  /// - Throws: `StorageError`.
  func keep() throws { try work?.flush() }

  /// Makes the files of the unfinished one.
  ///
  /// - Returns: What a user should know of the images as a whole.
  /// - Throws: `StorageError`.
  func finish() throws -> [String] {
    for folder in folders { try folder.finish(request.images) }
    guard let work else { return [] }
    let count = request.images.count
    let trained = sampler.trained
    let notes = try summary(work)
    for output in request.outputs {
      switch output {
      case .picture(let path):
        try SamplePicture(sampler, request).picture(
          samples: work.samples, extra: work.extra
        ).writePNG(to: path)
      case .archive(let path):
        try NumPyArchive.write(
          count: count, shape: trained.shape, format: trained.format, to: path,
          reading: work.samples)
      case .samples, .folder: break
      }
    }
    var files: [String] = []
    for case .samples(let path) in request.outputs { files.append(path) }
    if files.isEmpty {
      try work.discard()
    } else {
      try work.publish()
      for copy in files.dropFirst() { try AtomicFile.copy(files[0], to: copy) }
    }
    return notes
  }

  /// The mean of what each image lost, and the times of the first way, where they are told.
  private func summary(_ work: UnfinishedSamples) throws -> [String] {
    let extras = sampler.generation.extras.map(\.name)
    var sentences: [String] = []
    if let place = extras.firstIndex(of: "t"), sampler.generation is Trajectory {
      let times = try work.extra(place, 0..<1).map { String(format: "%.6g", $0) }
      let whose = sampler.generation.evaluations == nil ? " of the first image" : ""
      sentences.append(
        "The frames\(whose) are at t = \(times.joined(separator: ", ")): x_t above, x_0 as it is seen "
          + "there below.")
    }
    guard let place = extras.firstIndex(of: "squared_error") else { return sentences }
    var sum = 0.0
    for image in 0..<request.images.count {
      sum += Double(try work.extra(place, image..<image + 1)[0])
    }
    let error = sum / Double(request.images.count)
    // On the scale of [0, 1], as Song et al. 2021, table 2, have it.
    return sentences + [
      "The images differ from what they were made of by a mean square of "
        + "\(Self.rounded(error / 4)) on the scale of 0 to 1, a deviation of "
        + "\(Self.rounded((error / 4).squareRoot() * 255)) of 255."
    ]
  }

  private static func rounded(_ x: Double) -> String { String(format: "%.3g", x) }
}
