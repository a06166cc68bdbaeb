// A folder of pictures: directly, without classes, or in one sub-folder a class.

extension PictureSupply {
  /// The pictures of a folder and of its sub-folders, in the order of their names.
  ///
  /// Sub-folders are classes, numbered in the order of their names, which name them. Where there is a
  /// `dataset.json`, that says the classes and the order.
  init(folder: String) throws(StorageError) {
    let names = try Self.names(in: folder)
    let subfolders = names.filter { Self.isFolder(folder + "/" + $0) }
    let index: PictureIndex? =
      names.contains(PictureIndex.name) && !subfolders.contains(PictureIndex.name)
      ? try Self.index(folder + "/" + PictureIndex.name) : nil
    var pictures = try Self.pictures(in: folder, names.filter { !subfolders.contains($0) }, "")
    if index == nil, !subfolders.isEmpty, let stray = pictures.first {
      throw Self.stray(folder + "/" + stray)
    }
    for name in subfolders {
      let path = folder + "/" + name
      let inside = try Self.pictures(in: path, try Self.names(in: path), name + "/")
      guard !inside.isEmpty || index != nil else {
        throw .badData(
          path: path, reason: "this folder of a class holds no picture; fill it or remove it")
      }
      pictures += inside
    }
    pictures = try Self.order(pictures, index, folder)
    guard !pictures.isEmpty else {
      throw .badData(
        path: folder, reason: "this folder holds no picture (\(PictureKind.names))")
    }
    let all = pictures
    self.init(
      path: folder, count: all.count, names: all,
      needsChild: all.contains { PictureKind(named: $0)?.isCheckedByChild == true }
    ) { body in
      for name in all {
        let path = folder + "/" + name
        ChildCheck.mark(path)
        if try !body(Raster(path: path), path) { return }
      }
    }
    if let index {
      try apply(index, path: folder + "/" + PictureIndex.name)
    } else if let classes = try Self.classes(ofFolders: all, in: folder) {
      (labels, classNames) = classes
    }
    captions = Self.captionNames.map { (folder + "/" + $0, nil) }.filter {
      if case .nothing = FileKind($0.path) { false } else { true }
    }
  }

  /// The pictures in the order of the index, which names all of them and none that is missing.
  private static func order(
    _ pictures: [String], _ index: PictureIndex?, _ folder: String
  ) throws(StorageError) -> [String] {
    guard let order = index?.order else { return pictures }
    let there = Set(pictures)
    if let missing = order.first(where: { !there.contains($0) }) {
      throw .badData(
        path: folder + "/" + PictureIndex.name, reason: "names \(missing), which is not there")
    }
    let listed = Set(order)
    guard listed.count == order.count else {
      throw .badData(path: folder + "/" + PictureIndex.name, reason: "names a picture twice")
    }
    if let other = pictures.first(where: { !listed.contains($0) }) {
      throw .badData(
        path: folder + "/" + PictureIndex.name, reason: "says no class of \(other)")
    }
    return order
  }

  private static func index(_ path: String) throws(StorageError) -> PictureIndex {
    let bytes = try readSmallFile(path, role: "a list of classes", limit: PictureIndex.limit)
    return try PictureIndex.decode(bytes, path: path)
  }

  /// The names in a folder that are not hidden, sorted.
  private static func names(in folder: String) throws(StorageError) -> [String] {
    try folderNames(folder).filter { !$0.hasPrefix(".") }
  }

  private static func isFolder(_ path: String) -> Bool {
    if case .folder = FileKind(path) { true } else { false }
  }

  /// The pictures among the names in a folder.
  private static func pictures(
    in folder: String, _ names: [String], _ prefix: String
  ) throws(StorageError) -> [String] {
    var pictures: [String] = []
    for name in names {
      let path = folder + "/" + name
      if isFolder(path) {
        throw .badData(path: path, reason: "is a folder inside the folder of a class")
      }
      if try isPicture(name, path: path) { pictures.append(prefix + name) }
    }
    return pictures
  }
}
