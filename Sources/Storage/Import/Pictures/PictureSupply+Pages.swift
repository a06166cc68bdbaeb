// A TIFF file whose pages are the pictures, as microscopes write them.

extension PictureSupply {
  /// The pages of a TIFF file, in their order.
  init(pagesOf path: String) throws(StorageError) {
    try ChildCheck.require(path, .pictures)
    var pages = try TIFFPages(path: path)
    var count = 0
    while try pages.skip() { count += 1 }
    guard count > 0 else { throw .badData(path: path, reason: "is a TIFF file without a page") }
    self.init(path: path, count: count, names: nil, needsChild: false) { body in
      var pages = try TIFFPages(path: path)
      for page in 1...count {
        let name = count > 1 ? "\(path) (page \(page))" : path
        ChildCheck.mark(path)
        guard let raster = try pages.next() else {
          throw StorageError.badData(path: path, reason: "has changed while it was read")
        }
        if try !body(raster, name) { return }
      }
    }
  }
}
