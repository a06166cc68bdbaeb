// From a source to a file: what all imports have in common.

/// Brings the images of a source into a dataset file.
public enum DatasetImport {
  /// What an import made, for the last lines that a command prints.
  public struct Summary: Equatable, Sendable {
    /// The dataset's name.
    public let name: String
    /// The names of the classes, where there are any.
    public let classNames: [String]?
    /// The file, its extents, levels, counts, size and checksum.
    public let file: ImageDatasetWriter.Summary
    /// Sentences on what became of the numbers.
    public let notes: [String]
  }

  /// Writes all images of a source, in order, into a dataset that appears complete or not at all.
  ///
  /// - Parameters:
  ///   - source: where the images come from.
  ///   - output: the dataset's path; a file that is there is replaced.
  ///   - name: the dataset's name; where nil, one from the name of the source's file.
  ///   - origin: where the images come from and who made them.
  ///   - license: under which licence they may be used.
  ///   - classNames: names of the classes 0, 1, …; where nil, those of the source.
  ///   - captions: a file with the captions of the images (`CaptionFile`); where nil, those of the
  ///     source.
  ///   - gzip: compress the images inside the file at a level of 1 to 9; nil reads fastest.
  ///   - progress: is told at the start and after every batch how many images of how many are done.
  /// - Throws: `StorageError` for the first thing that is wrong with the source or the output; no
  ///   file is left then.
  public static func run(
    source: ImportSource, output: String, name: String? = nil, origin: String? = nil,
    license: String? = nil, classNames: [String]? = nil, captions: String? = nil,
    gzip: Int? = nil,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> Summary {
    let header = source.header
    let name = name ?? header.suggestedName
    guard classNames == nil || header.hasLabels else {
      throw StorageError.badData(
        path: header.path, reason: "comes without labels, so there are no classes to be named")
    }
    let classNames = classNames ?? header.classNames
    let captions =
      try captions.map {
        try CaptionFile.read($0, of: header.path, count: header.count, names: source.names)
      } ?? source.captions
    let writer = try ImageDatasetWriter(
      output: output, shape: header.shape, format: header.format, name: name,
      origin: origin, license: license, classNames: classNames,
      captionsPerImage: captions?.perImage ?? 0, gzip: gzip, origins: source.origins)
    var done = 0
    progress(done, header.count)
    try source.forEachBatch { images, labels in
      try check(labels ?? [], from: done, of: header.path, classNames)
      let batch = done..<done + images.count / (header.shape.count * header.format.bytes)
      try writer.append(
        images: images, labels: labels,
        captions: captions.map { captions in batch.map { captions.captions(of: $0) } })
      done = batch.upperBound
      progress(done, header.count)
    }
    return Summary(
      name: name, classNames: classNames, file: try writer.finish(), notes: source.notes())
  }

  /// A label of this size or above is taken for a number that is no class.
  private static let classLimit = 1 << 16

  /// Refuses a class without a name, and one so large that the column is hardly the label.
  private static func check(
    _ labels: [Int], from first: Int, of path: String, _ classNames: [String]?
  ) throws(StorageError) {
    let limit = classNames?.count ?? classLimit
    guard let i = labels.firstIndex(where: { $0 >= limit }) else { return }
    throw .badData(
      path: path,
      reason: "image \(first + i) (counted from 0) has the class \(labels[i]), but "
        + (classNames == nil
          ? "classes are below \(limit); is that column the label?"
          : "only the classes 0 to \(limit - 1) have names"))
  }
}
