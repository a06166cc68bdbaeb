// The binary version of CIFAR-10: records of one label byte and 32 × 32 × 3 bytes, by channel.
//
// A record is the class (0 … 9), then 1024 red, 1024 green and 1024 blue values, each row by
// row. Source: A. Krizhevsky, "The CIFAR-10 dataset", section "Dataset layout, binary version".

import Tensors

extension ImportSource {
  /// The images of `.bin` files, in the order given; a folder stands for its `data_batch_*.bin`.
  ///
  /// Class names come from `classNames`, a text file with one name per line; without one, from a
  /// `batches.meta.txt` beside the first file, where there is one.
  ///
  /// - Throws: `StorageError` for missing files and for files that are not whole records.
  public static func cifar10(
    files: [String], classNames: String? = nil
  ) throws(StorageError) -> ImportSource {
    var paths: [String] = []
    for file in files { paths += try batchFiles(at: file) }
    guard let first = paths.first else {
      throw .missingInput(
        path: "CIFAR-10", reason: "no file was given; name one or more .bin files")
    }
    var counts: [Int] = []
    for path in paths { counts.append(try recordCount(of: path)) }
    let header = ImportedHeader(
      path: first, shape: ImageShape(height: 32, width: 32, channels: 3), format: .levels(256),
      count: counts.reduce(0, +), hasLabels: true,
      classNames: try names(given: classNames, beside: first), suggestedName: "cifar10")
    return ImportSource(header: header) { sink in
      for (path, count) in zip(paths, counts) { try streamRecords(of: path, count, to: sink) }
    }
  }

  private static let recordSize = 1 + 3 * 32 * 32
  private static let classCount = 10

  /// A folder's `data_batch_*.bin`, by name; the path itself where it is no folder.
  private static func batchFiles(at path: String) throws(StorageError) -> [String] {
    guard case .folder = FileKind(path) else { return [path] }
    let batches = try folderNames(path)
      .filter { $0.hasPrefix("data_batch_") && $0.hasSuffix(".bin") }
    guard !batches.isEmpty else {
      throw .missingInput(path: path, reason: "this folder holds no data_batch_*.bin")
    }
    return batches.map { path + "/" + $0 }
  }

  private static func recordCount(of path: String) throws(StorageError) -> Int {
    let size = try requireFile(path, role: "a file of CIFAR-10")
    guard size > 0, size % recordSize == 0 else {
      throw .badData(
        path: path,
        reason: "its \(size) bytes are not a whole number of \(recordSize)-byte records; "
          + "is this the unpacked binary version of CIFAR-10?")
    }
    return size / recordSize
  }

  private static func names(
    given: String?, beside first: String
  ) throws(StorageError) -> [String]? {
    let folder = first.lastIndex(of: "/").map { String(first[...$0]) } ?? ""
    let path = given ?? folder + "batches.meta.txt"
    if given == nil, case .nothing = FileKind(path) { return nil }
    var file = try InputFile(path: path)
    let names = String(decoding: try file.readToEnd(limit: 1 << 20), as: UTF8.self)
      .split(whereSeparator: \.isNewline)
      .filter { !$0.allSatisfy(\.isWhitespace) }
      .map(String.init)
    guard names.count == classCount else {
      throw .badData(
        path: path,
        reason: "has \(names.count) class names where CIFAR-10 has \(classCount), one on a line")
    }
    return names
  }

  private static func streamRecords(of path: String, _ count: Int, to sink: Sink) throws {
    var file = try InputFile(path: path)
    let batch = 1024
    for start in stride(from: 0, to: count, by: batch) {
      let n = min(batch, count - start)
      let records = try file.read(upTo: n * recordSize)
      guard records.count == n * recordSize else {
        throw StorageError.badData(
          path: path,
          reason: "ends after \(start + records.count / recordSize) of \(count) records; "
            + "it became shorter while it was read")
      }
      let labels = (0..<n).map { Int(records[$0 * recordSize]) }
      if let bad = labels.firstIndex(where: { $0 >= classCount }) {
        throw StorageError.badData(
          path: path,
          reason: "record \(start + bad) (counted from 0) has class \(labels[bad]), beyond 9; "
            + "is this the unpacked binary version of CIFAR-10?")
      }
      try sink(interleaved(records, n), labels)
    }
    try file.expectEnd(after: "its \(count) records")
  }

  /// Records of label, red, green, blue as images (n, 32, 32, 3).
  private static func interleaved(_ records: [UInt8], _ n: Int) -> [UInt8] {
    let pixels = 32 * 32
    return [UInt8](unsafeUninitializedCapacity: n * pixels * 3) { images, filled in
      records.withUnsafeBufferPointer { records in
        for i in 0..<n {
          let record = records.baseAddress! + i * recordSize + 1
          let image = images.baseAddress! + i * pixels * 3
          for p in 0..<pixels {
            image[3 * p] = record[p]
            image[3 * p + 1] = record[pixels + p]
            image[3 * p + 2] = record[2 * pixels + p]
          }
        }
      }
      filled = n * pixels * 3
    }
  }
}
