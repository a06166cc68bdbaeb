// What is done by hand to the checkpoints of a run, while no job trains it.

import Foundation
import Logging
import Storage

extension RunFolder {
  /// Removes old checkpoints, under the run's lock.
  ///
  /// - Parameters:
  ///   - count: How many of the newest good ones stay, beside the best one; at least 1.
  ///   - logger: Told of a stale lock.
  /// - Returns: The paths that were removed.
  /// - Throws: `StorageError`.
  public func prune(keeping count: Int, _ logger: Logger) throws(StorageError) -> [String] {
    guard exists else {
      throw .missingInput(path: path, reason: "there is no run folder of this name")
    }
    return try withExtendedLifetime(try lock(logger)) { () throws(StorageError) in
      let (removed, failed) = try CheckpointRotation(checkpoints).prune(keeping: count)
      if let error = failed.first { throw error }
      return removed
    }
  }

  /// Gives a checkpoint its right name, under the lock of the run that it is in, if it is in one.
  ///
  /// - Parameters:
  ///   - file: The file.
  ///   - logger: Told of a stale lock.
  /// - Returns: The path that it has then.
  /// - Throws: `StorageError`.
  public static func repairName(
    of file: String, _ logger: Logger
  ) throws(StorageError) -> String {
    let folder = URL(fileURLWithPath: file).deletingLastPathComponent()
    let run = RunFolder(folder.deletingLastPathComponent().path)
    let isOfRun = run.exists && ["checkpoints", "averages"].contains(folder.lastPathComponent)
    return try withExtendedLifetime(isOfRun ? try run.lock(logger) : nil) {
      () throws(StorageError) in try CheckpointFolder.repairName(of: file)
    }
  }
}

extension Configuration {
  /// In which settings two configurations in checkpoints differ: key, first and second value.
  ///
  /// Texts that are no configuration of this program are compared as they are.
  public static func differences(_ first: String, _ second: String) -> [[String]] {
    func texts(_ yaml: String) -> [String: String]? {
      var configuration = Configuration()
      return (try? configuration.apply(yaml: yaml, source: "")) == nil ? nil : configuration.texts
    }
    guard let a = texts(first), let b = texts(second) else {
      return first == second ? [] : [["config", "\(first.utf8.count) bytes", "other text"]]
    }
    return settings.map(\.key).filter { a[$0] != b[$0] }.map { [$0, a[$0] ?? "", b[$0] ?? ""] }
  }
}
