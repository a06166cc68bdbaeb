// What a command writes where the user says, and which files it may replace there.

import Glibc
import HDF5

/// A kind of file that commands write to a path of the user's choice.
///
/// A file that is there already is replaced only if it is of the same kind, or empty: a slip in a
/// path must not cost a checkpoint, a dataset or the command's own input. `--force` says that it is no
/// slip; inputs, folders and devices stay all the same.
public struct OutputKind: CaseIterable, Equatable, Sendable {
  /// A PNG file.
  public static let picture = OutputKind(
    "PNG file", [".png"],
    beginning: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
  /// An npz file of NumPy.
  public static let archive = OutputKind(
    "npz file", [".npz"], beginning: Array("PK".utf8), firstEntry: ".npy")
  /// A zip archive of pictures.
  public static let pictureArchive = OutputKind(
    "zip file of an export", [".zip"], beginning: Array("PK".utf8), firstEntry: "dataset.json")
  /// A JSON file.
  public static let report = OutputKind("JSON file", [".json"], beginning: Array("{".utf8))
  /// A dataset that an import makes, or that is drawn.
  public static let dataset = OutputKind("dataset of this program", .dataset)
  /// Generated images, `UnfinishedSamples` and `SampleFile`; folders of them are `PictureFolder`.
  public static let samples = OutputKind("file of samples", .samples)
  /// What the network answers, `NoisyImages.writePrediction`.
  public static let prediction = OutputKind("file of predictions", .prediction)
  /// A table of an evaluation.
  public static let table = OutputKind(
    "table of an evaluation", [".csv"], beginning: Array("estimate,".utf8))
  /// A picture of an evaluation.
  public static let drawing = OutputKind("SVG file", [".svg"], beginning: Array("<svg".utf8))
  /// What an evaluation has found.
  public static let evaluation = OutputKind("file of an evaluation", .evaluation)

  /// A page on runs.
  public static let page = OutputKind(
    "report of this program", [".html"],
    beginning: Array("<!DOCTYPE html>\n<!-- ddpm-dist report -->".utf8))
  /// How a run goes.
  public static let status = OutputKind(
    "status of a run", [".json"], beginning: Array("{\n  \"batch\" :".utf8))
  /// The metrics of a run as a table.
  public static let metrics = OutputKind(
    "table of metrics", [".csv"], beginning: Array("step,images,".utf8))

  /// The script of a job.
  public static let jobScript = OutputKind(
    "job script of this program", [".sh", ".sbatch"],
    beginning: Array("#!/usr/bin/env bash\n# A job script of ddpm-dist for ".utf8))

  /// A checkpoint that is made of others. One that is there may be a run's: it is not replaced.
  public static let checkpoint = OutputKind("checkpoint", .checkpoint, isReplaced: false)

  /// Every kind.
  public static let allCases: [OutputKind] = [
    .picture, .archive, .pictureArchive, .report, .dataset, .samples, .prediction, .table, .drawing,
    .evaluation,
    .page, .status, .metrics, .jobScript, .checkpoint,
  ]

  /// How files of this kind are called in a sentence.
  private let name: String
  /// The endings, in lower case, that names of such files may have.
  public let endings: [String]
  /// The bytes that files of this kind begin with; nil for HDF5, whose library knows.
  private let signature: [UInt8]?
  /// What the name of the first file in a ZIP archive of this kind ends in; nil for other files.
  private let firstEntry: String?
  /// The `format` that HDF5 files of this kind declare; nil for other files.
  private let format: FileFormat?
  /// Whether a file of this kind may take the place of another one.
  private let isReplaced: Bool

  private init(
    _ name: String, _ endings: [String], beginning signature: [UInt8], firstEntry: String? = nil
  ) {
    (self.name, self.endings, self.signature, format) = (name, endings, signature, nil)
    self.firstEntry = firstEntry
    isReplaced = true
  }

  private init(_ name: String, _ format: FileFormat, isReplaced: Bool = true) {
    (self.name, endings, signature, self.format) = (name, [".h5", ".hdf5"], nil, format)
    firstEntry = nil
    self.isReplaced = isReplaced
  }

  /// Whether a name ends as those of such files do.
  public func fits(_ path: String) -> Bool {
    endings.contains { path.lowercased().hasSuffix($0) }
  }

  /// The sentence on a name with another ending; nil where the ending is right.
  public func fault(inName path: String) -> String? {
    fits(path) ? nil : "\(path): the name must end in \(endings.joined(separator: " or "))."
  }

  /// Refuses, before any work, a path that cannot be written to or must not be replaced.
  ///
  /// - Parameters:
  ///   - path: Where the file is to be.
  ///   - inputs: The files and folders that the command reads, by whatever names.
  ///   - isForced: Whether a file of another kind is replaced, if it is in no folder that the command
  ///     reads.
  /// - Throws: `.cannotCreate`.
  public func check(
    target path: String, inputs: [String] = [], isForced: Bool = false
  ) throws(StorageError) {
    switch FileKind(path) {
    case .folder, .nothing: break
    case .special:
      throw .cannotCreate(path: path, reason: "is a device, a pipe or a socket; name a file")
    case .file(let bytes):
      if inputs.contains(where: { isSameFile($0, path) }) {
        throw .cannotCreate(path: path, reason: "is the command's own input; choose another name")
      }
      if bytes > 0 {
        do throws(StorageError) {
          try checkContent(path)
        } catch {
          guard isForced else { throw error }
          if let folder = inputs.first(where: { isInside(path, $0) }) {
            throw .cannotCreate(
              path: path, reason: "is in \(folder), which the command reads; choose another name")
          }
        }
      }
    }
    try AtomicFile.check(target: path)
  }

  /// Refuses a file with something in it that is not of this kind.
  private func checkContent(_ path: String) throws(StorageError) {
    let found = HDF5Content(path)
    if let signature {
      if try begins(firstBytes(path, 512), signature) { return }
    } else if let format, found == .format(format.rawValue) {
      if let trailer = SampleTrailer(path: path), !trailer.isComplete {
        throw .cannotCreate(
          path: path,
          reason: "holds \(trailer.progress) and \(Self.advice)")
      }
      if isReplaced { return }
      throw .cannotCreate(
        path: path,
        reason: "is a \(name) already and \(Self.advice)")
    }
    let what =
      switch found {
      case .format(let format): "is a \(format) file"
      case .other: "is an HDF5 file"
      case .none: "is there"
      }
    throw .cannotCreate(path: path, reason: "\(what), but no \(name), and \(Self.advice)")
  }

  /// Whether a file that begins with some bytes is of this kind.
  private func begins(_ bytes: [UInt8], _ signature: [UInt8]) -> Bool {
    guard bytes.starts(with: signature) else { return false }
    guard let firstEntry else { return true }
    // The header of a file in a ZIP archive: the length of its name at 26, the name from 30 on.
    guard bytes.count > 30 else { return false }
    let name = bytes[30...].prefix(Int(bytes[26]) | Int(bytes[27]) << 8)
    return name.reversed().starts(with: firstEntry.utf8.reversed())
  }

  private static let advice =
    "is not replaced; choose another name, or replace it with --force"

  private func firstBytes(_ path: String, _ count: Int) throws(StorageError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    do throws(SystemFailure) {
      let descriptor = try Descriptor(path, O_RDONLY)
      let number = descriptor.number
      // ssize_t read(int fd, void *buf, size_t count)
      let read = try systemCall { Glibc.read(number, &bytes, count) }
      return Array(bytes.prefix(read))
    } catch {
      throw .cannotCreate(
        path: path,
        reason: "is there and cannot be read (\(error.reason)), so it \(Self.advice)")
    }
  }
}

/// What an HDF5 file says that it is.
enum HDF5Content: Equatable {
  /// A file whose root has the attribute `format`.
  case format(String)
  /// A file that says nothing.
  case other
  /// A file of another kind, or one that the HDF5 library does not open: a truncated one.
  case none

  /// Looks into a file.
  init(_ path: String) {
    guard isHDF5(path), (try? ChildCheck.require(path, .content)) != nil,
      let content = Self.read(path)
    else {
      self = .none
      return
    }
    self = content
  }

  /// Looks into a file, in the process that calls; nil where the library does not open it.
  static func read(_ path: String) -> HDF5Content? {
    guard let file = try? File.open(path), let root = try? file.root() else { return nil }
    return ((try? root.string("format")) ?? nil).map { .format($0) } ?? .other
  }
}
