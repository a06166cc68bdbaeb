// A zip or tar archive of pictures.

extension PictureSupply {
  /// The pictures of an archive, in the order in which they lie in it.
  ///
  /// The archive is read once to learn what is in it. The folder that all of it lies in, if there is
  /// one, stands for the archive itself; those below are classes, unless a `dataset.json` says them.
  init(archive path: String) throws(StorageError) {
    var pictures: [String] = []
    var sidecars: [String: [UInt8]] = [:]
    var reader = try ArchiveReader(path: path)
    while let entry = try reader.next() {
      let last = entry.name.split(separator: "/").last.map(String.init) ?? entry.name
      if Self.isHidden(entry.name) { continue }
      if last == PictureIndex.name || Self.captionNames.contains(last) {
        sidecars[entry.name] = try reader.readToEnd(of: entry, behind: [])
      } else if try Self.isPicture(entry.name, path: "\(path)/\(entry.name)") {
        pictures.append(entry.name)
      }
    }
    guard !pictures.isEmpty else {
      throw .badData(path: path, reason: "this archive holds no picture (\(PictureKind.names))")
    }
    let unique = Set(pictures)
    guard unique.count == pictures.count else {
      throw .badData(path: path, reason: "holds two pictures of one name; pack it again")
    }
    let prefix = Self.commonFolder(of: pictures + sidecars.keys)
    self.init(
      path: path, count: pictures.count, names: pictures.map { String($0.dropFirst(prefix.count)) },
      needsChild: pictures.contains { PictureKind(named: $0)?.isCheckedByChild == true }
    ) { body in
      var reader = try ArchiveReader(path: path)
      var place = 0
      while let entry = try reader.next() {
        guard unique.contains(entry.name) else { continue }
        guard place < pictures.count, entry.name == pictures[place] else { break }
        place += 1
        let name = "\(path)/\(entry.name)"
        let first = try reader.read(upTo: min(entry.size, 16))
        guard PictureKind(beginning: first) != nil else {
          throw StorageError.badData(path: name, reason: "is not a \(PictureKind.names) file")
        }
        let bytes = try reader.readToEnd(of: entry, behind: first)
        ChildCheck.mark(name)
        if try !body(Raster(bytes: bytes, path: name), name) { return }
      }
      guard place == pictures.count else {
        throw StorageError.badData(path: path, reason: "has changed while it was read")
      }
    }
    if let index = sidecars[prefix + PictureIndex.name] {
      let name = "\(path)/\(prefix)\(PictureIndex.name)"
      try apply(PictureIndex.decode(index, path: name), path: name)
    } else if let classes = try Self.classes(ofFolders: names!, in: path) {
      (labels, classNames) = classes
    }
    captions = Self.captionNames.compactMap { name in
      sidecars[prefix + name].map { ("\(path)/\(prefix)\(name)", $0) }
    }
  }

  /// Whether a file, or a folder above it, is hidden, or what macOS puts beside files.
  private static func isHidden(_ name: String) -> Bool {
    name.split(separator: "/").contains {
      $0 == "__MACOSX" || ($0.hasPrefix(".") && $0 != ".." && $0 != ".")
    }
  }

  /// The folder that all files lie in, with a slash at its end; empty where there is none.
  private static func commonFolder(of names: [String]) -> String {
    var common = names[0].split(separator: "/", omittingEmptySubsequences: false).dropLast()
    for name in names {
      let folder = name.split(separator: "/", omittingEmptySubsequences: false).dropLast()
      let equal = zip(common, folder).prefix { $0 == $1 }.count
      common = common.prefix(equal)
    }
    return common.map { $0 + "/" }.joined()
  }
}
