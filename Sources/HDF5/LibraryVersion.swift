// Which HDF5 library is loaded.

import CHDF5

/// The version of the HDF5 library that the process runs with, as in "1.10.8".
public func libraryVersion() throws(HDF5Error) -> String {
  var (major, minor, release): (UInt32, UInt32, UInt32) = (0, 0, 0)
  // herr_t H5get_libversion(unsigned *majnum, unsigned *minnum, unsigned *relnum)
  try call("ask for the library's version", Place(file: "the HDF5 library")) {
    H5get_libversion(&major, &minor, &release)
  }
  return "\(major).\(minor).\(release)"
}
