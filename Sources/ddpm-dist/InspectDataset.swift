// ddpm-dist dataset inspect: what is in a dataset.

import ArgumentParser
import Diffusion
import Figures
import Foundation
import Storage
import Training

/// `ddpm-dist dataset inspect`: what is in a dataset, and its first images as a picture.
struct InspectDataset: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Check a dataset and print what is in it.",
    discussion: "Every pixel is read, and the checksums compared where the file declares them.")

  @Argument(help: "The HDF5 file, or 'digits' for the embedded dataset.", completion: .hdf5)
  var file: String
  @Option(help: "The group of a file with several splits, such as /train.")
  var group: String?
  @Option(
    help: "Draw the first images into this PNG file, with their captions.",
    completion: .file(extensions: ["png"]))
  var grid: String?
  @Flag(help: .force)
  var force = false
  @Option(help: "The number of images to draw.")
  var count = 64

  func validate() throws {
    if count < 1 { throw ValidationError("--count needs at least 1.") }
    if let grid, let fault = OutputKind.picture.fault(inName: grid) {
      throw ValidationError("--grid \(fault)")
    }
  }

  func run(_ job: Job) throws {
    try job.onFirstRank { try inspect() }
  }

  private func inspect() throws {
    if let grid { try OutputKind.picture.check(target: grid, inputs: [file], isForced: force) }
    let dataset =
      file == "digits" ? try ImageDataset.digits() : try ImageDataset(path: file, group: group)
    let hash = try dataset.verify()
    var lines = [
      ("file", dataset.path),
      ("name", dataset.name),
      ("images", "\(dataset.count) of \(dataset.shape) (rows, columns, channels)"),
      ("pixels", "\(dataset.format)"),
      ("storage", dataset.storage),
      ("origin", dataset.origin ?? "not declared"),
      ("license", dataset.license ?? "not declared"),
      ("checksum", hash + (dataset.contentHash == nil ? " (not declared)" : " (as declared)")),
    ]
    lines += statisticsLines(try ImageStatistics(dataset))
    lines += dataset.truth.map { truthLines($0, dimensions: dataset.shape.count) } ?? []
    if let labels = dataset.labels {
      let counts = Dictionary(grouping: labels) { $0 }.mapValues(\.count)
      for (label, number) in counts.sorted(by: { $0.key < $1.key }) {
        let name = dataset.classNames.flatMap { label < $0.count ? $0[label] : nil }
        lines.append(("class \(label)", "\(number) images" + (name.map { " (\($0))" } ?? "")))
      }
    } else {
      lines.append(("classes", "none"))
    }
    if let captions = dataset.captions {
      lines.append(captionLine(captions))
      lines += (0..<min(3, captions.count)).map { image in
        let others = captions.perImage == 1 ? "" : " (and \(captions.perImage - 1) more)"
        return ("image \(image)", quoted(captions.captions(of: image)[0]) + others)
      }
    } else {
      lines.append(("captions", "none"))
    }
    let drawn = try grid.map { try draw(dataset, to: $0) }
    try printTable(lines)
    if let drawn { try StandardStreams.print(drawn + "\n") }
  }

  /// What the pixels are like, in lines of a table.
  private func statisticsLines(_ facts: ImageStatistics) -> [(String, String)] {
    func text(_ value: Double) -> String { String(format: "%.6g", value) }
    func percent(_ share: Double) -> String { String(format: "%.3g %%", 100 * share) }
    return [
      ("mean", "\(text(facts.mean)), standard deviation \(text(facts.deviation))"),
      ("values", "\(text(facts.extremes.lowerBound)) … \(text(facts.extremes.upperBound))"),
      (
        "at the ends",
        "\(percent(facts.saturated.black)) black, \(percent(facts.saturated.white)) white"
      ),
      (
        "histogram",
        "black " + Sparkline.text(facts.histogram.map { Double($0) }, width: 64) + " white"
      ),
      (
        "duplicates", facts.duplicates == 0 ? "none" : "\(facts.duplicates) images are there before"
      ),
    ]
  }

  /// Draws the first images and returns a sentence on them.
  private func draw(_ dataset: ImageDataset, to path: String) throws -> String {
    let number = min(count, dataset.count)
    let reader = try ImageReader(dataset, range: 0..<number)
    var images = [Float](repeating: 0, count: number * dataset.shape.count)
    try images.withUnsafeMutableBufferPointer { buffer throws(StorageError) in
      try reader.read(Array(0..<number), into: buffer.baseAddress!)
    }
    let grid = ImageGrid(shape: dataset.shape, count: number)
    let words = dataset.captions.map { captions in
      GridCaptions.images((0..<number).map { captions.captions(of: $0)[0] })
    }
    try (words.map { grid.picture(of: images, captions: $0) } ?? grid.picture(of: images))
      .writePNG(to: path)
    return "The first \(number) images: \(path)"
  }
}

/// What is known of a dataset's distribution, in lines of a table.
///
/// - Parameter dimensions: The scalars of an image.
func truthLines(_ truth: KnownTruth, dimensions: Int) -> [(String, String)] {
  func line(_ name: String, _ nats: Double?) -> (String, String)? {
    guard let nats else { return nil }
    let bits = bitsPerDimension(nats: nats, dimensions: dimensions)
    return (name, String(format: "%.4f nats an image, %.4f bits per dimension", nats, bits))
  }
  return [
    truth.distribution.map { ("distribution", $0) }, line("entropy", truth.entropy),
    line("true NLL", truth.negativeLogLikelihood),
  ].compactMap(\.self)
}

/// What the captions of a dataset are, in a line of a table.
func captionLine(_ captions: ImageCaptions) -> (String, String) {
  (
    "captions",
    "\(captions.perImage) of each image, \(captions.unique.count) different, at most "
      + "\(captions.longestBytes) bytes"
  )
}

/// A caption between quotation marks, in one line, without its end where it is long.
private func quoted(_ caption: String) -> String {
  let text = caption.escapingControls(keepingLines: false)
  return "“" + (text.count > 100 ? text.prefix(99) + "…" : text) + "”"
}

/// Prints names and values in two columns.
func printTable(_ lines: [(String, String)]) throws(StorageError) {
  let width = lines.map(\.0.count).max() ?? 0
  let text = lines.map { name, value in
    name + String(repeating: " ", count: width - name.count + 2) + value + "\n"
  }
  try StandardStreams.print(text.joined())
}
