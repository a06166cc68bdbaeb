// What kind of file images go to.

/// The formats that images can be written in, by the ending of the file's name.
enum OutputKind {
  case png
  case hdf5
  case numpy

  /// The format of a file; nil for an ending that stands for none.
  init?(path: String) {
    switch path.split(separator: ".").last?.lowercased() {
    case "png": self = .png
    case "h5", "hdf5": self = .hdf5
    case "npz": self = .numpy
    default: return nil
    }
  }
}
