// What kind of disk the folder of a run is on, and how much room there is.

import Foundation

/// The file system of a folder, as far as a job is concerned.
public struct RunPlace: Equatable, Sendable {
  /// Who sees what is written there.
  public enum Kind: Equatable, Sendable {
    /// The memory of one machine.
    case memory
    /// A disk of one machine, though others may see it by other names.
    case local
    /// Several machines, or what is not known.
    case shared
  }

  /// Who sees it.
  public let kind: Kind
  /// What the kernel calls the file system, as `ext4` or `lustre`.
  public let name: String
  /// The bytes that are free there for this user; nil where that is not known.
  public let free: Int?

  /// A file system of a kind.
  public init(kind: Kind, name: String, free: Int?) {
    (self.kind, self.name, self.free) = (kind, name, free)
  }

  /// The file system of a folder that need not exist yet.
  ///
  /// - Parameters:
  ///   - path: The folder.
  ///   - mounts: The text of `/proc/self/mountinfo` (proc(5)).
  public init(of path: String, mounts: String? = nil) {
    var url = URL(fileURLWithPath: path)
    while !FileManager.default.fileExists(atPath: url.path), url.path != "/" {
      url.deleteLastPathComponent()
    }
    let folder = url.resolvingSymlinksInPath().path
    let text = mounts ?? (try? String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8))
    let name = Self.type(of: folder, in: text ?? "") ?? "unknown"
    let kind: Kind =
      Self.inMemory.contains(name) ? .memory : Self.onDisk.contains(name) ? .local : .shared
    self.init(kind: kind, name: name, free: Self.free(in: folder))
  }

  private static let inMemory: Set = ["tmpfs", "ramfs", "devtmpfs"]
  private static let onDisk: Set = [
    "ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "bcachefs", "overlay", "vfat",
  ]

  /// The type of the file system that a folder is on: that of the longest mount point above it, of equal ones
  /// the last.
  private static func type(of folder: String, in mounts: String) -> String? {
    var found: (length: Int, type: String)?
    for line in mounts.split(separator: "\n") {
      // 36 35 98:0 /root /mount/point options … - type source options
      let words = line.split(separator: " ")
      guard words.count > 4, let dash = words.firstIndex(of: "-"), dash + 1 < words.count else {
        continue
      }
      let point = words[4].replacing("\\040", with: " ")
      let isAbove = point == "/" || folder == point || folder.hasPrefix(point + "/")
      if isAbove, point.utf8.count >= found?.length ?? 0 {
        found = (point.utf8.count, String(words[dash + 1]))
      }
    }
    return found?.type
  }

  private static func free(in folder: String) -> Int? {
    var status = statvfs()
    // int statvfs(const char *path, struct statvfs *buf): one that does not count says 0 of 0.
    guard statvfs(folder, &status) == 0, status.f_blocks > 0 else { return nil }
    let (bytes, overflows) = Int(clamping: status.f_bavail)
      .multipliedReportingOverflow(by: Int(clamping: status.f_frsize))
    return overflows ? nil : bytes
  }
}
