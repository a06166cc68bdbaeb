// The classes of images and their names in a file.

import HDF5

extension Group {
  /// Writes `/labels`, int64 (N), and the names of the classes: as its attribute `class_names`, or, where
  /// they are too long for one, as a dataset of that name.
  func write(labels: [Int], classNames: [String]?) throws(HDF5Error) {
    let dataset = try createDataset("labels", of: Int64.self, shape: [labels.count])
    let values = labels.map { Int64($0) }
    try values.withUnsafeBufferPointer { (buffer) throws(HDF5Error) in try dataset.write(buffer) }
    guard let classNames else { return try dataset.close() }
    // Each is padded to the longest.
    let bytes = classNames.count * (classNames.map(\.utf8.count).max() ?? 0)
    if bytes <= largestAttribute {
      try dataset.setAttribute("class_names", .strings(classNames))
      try dataset.close()
    } else {
      try dataset.close()
      try write("class_names", strings: classNames)
    }
  }
}
