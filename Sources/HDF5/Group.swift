// Groups: the folders of an HDF5 file.

import CHDF5

/// An open group.
public struct Group: ~Copyable, HDF5Object {
  private let handle: Handle
  /// The file and the group's path.
  public let place: Place
  /// The library's identifier.
  public var id: Int64 { handle.id }

  init(_ id: hid_t, _ place: Place) {
    handle = Handle(id, release: H5Gclose)
    self.place = place
  }

  /// What a name in a group stands for.
  public enum Kind: Equatable, Sendable {
    /// Another group.
    case group
    /// A dataset.
    case dataset
    /// A soft, external or user-defined link, or a named type: none of these is followed.
    case other
  }

  /// The names in the group, in alphabetical order.
  public func names() throws(HDF5Error) -> [String] {
    let id = self.id
    var info = H5G_info_t()
    // herr_t H5Gget_info(hid_t loc_id, H5G_info_t *ginfo)
    try call("list the group", place) { H5Gget_info(id, &info) }
    var names: [String] = []
    for index in 0..<info.nlinks {
      // ssize_t H5Lget_name_by_idx(hid_t loc_id, const char *group_name, H5_index_t idx_type,
      //   H5_iter_order_t order, hsize_t n, char *name, size_t size, hid_t lapl_id)
      let length = try call("list the group", place) {
        H5Lget_name_by_idx(id, ".", H5_INDEX_NAME, H5_ITER_INC, index, nil, 0, 0)
      }
      var buffer = [CChar](repeating: 0, count: length + 1)
      try call("list the group", place) {
        H5Lget_name_by_idx(id, ".", H5_INDEX_NAME, H5_ITER_INC, index, &buffer, length + 1, 0)
      }
      names.append(buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) })
    }
    return names
  }

  /// What a path relative to the group stands for, or nil where there is nothing.
  ///
  /// Only hard links are followed, so that a file cannot lead to another file. A path without a
  /// name in it, such as "/" or ".", stands for nothing: the library would take it for the group
  /// itself, and a file may hold links that are called so.
  public func kind(of path: String) throws(HDF5Error) -> Kind? {
    let id = self.id
    let place = self.place.appending(path)
    let components = Self.components(path)
    guard !components.isEmpty else { return nil }
    var kind = Kind.group
    for depth in components.indices {
      // What is not a group has no children, and looking for one would be an error.
      guard kind == .group else { return kind == .other ? .other : nil }
      let prefix = components[...depth].joined(separator: "/")
      // htri_t H5Lexists(hid_t loc_id, const char *name, hid_t lapl_id)
      guard try call("look for it", place, { H5Lexists(id, prefix, 0) }) > 0 else { return nil }
      let link = try call("read the link", place) { CHDF5_link_type(id, prefix) }
      kind = link == H5L_TYPE_HARD.rawValue ? try objectKind(prefix, place) : .other
    }
    return kind
  }

  /// The names of a path. It is taken as relative to the group also where it begins with a slash,
  /// so that what is opened is what `kind(of:)` has looked at.
  private static func components(_ path: String) -> [Substring] {
    path.split(separator: "/").filter { $0 != "." }
  }

  private func objectKind(_ path: String, _ place: Place) throws(HDF5Error) -> Kind {
    let id = self.id
    // hid_t H5Oopen(hid_t loc_id, const char *name, hid_t lapl_id)
    let object = Handle(
      try call("open the object", place) { H5Oopen(id, path, 0) }, release: H5Oclose)
    let objectID = object.id
    // H5I_type_t H5Iget_type(hid_t id)
    switch try call("read the object's kind", place, { H5Iget_type(objectID).rawValue }) {
    case H5I_GROUP.rawValue: return .group
    case H5I_DATASET.rawValue: return .dataset
    default: return .other
    }
  }

  /// Checks that a path leads to an object of a kind through hard links.
  private func require(_ expected: Kind, _ path: String, _ name: String) throws(HDF5Error) {
    let place = self.place.appending(path)
    switch try kind(of: path) {
    case nil: throw .missing(place: place, reason: "there is no such \(name)")
    case expected: return
    case .other:
      throw .refused(place: place, reason: "is a soft or external link, which is not followed")
    default: throw .refused(place: place, reason: "is not a \(name)")
    }
  }

  /// Opens a group below this one.
  public func group(_ path: String) throws(HDF5Error) -> Group {
    try require(.group, path, "group")
    let path = Self.components(path).joined(separator: "/")
    let place = self.place.appending(path)
    let id = self.id
    return Group(try call("open the group", place) { H5Gopen2(id, path, 0) }, place)
  }

  /// Creates a group below this one, with the groups on the way.
  public func createGroup(_ path: String) throws(HDF5Error) -> Group {
    let place = self.place.appending(path)
    let id = self.id
    let links = try linkCreation(place)
    let linksID = links.id
    let creation = try propertyList(CHDF5_P_GROUP_CREATE, place)
    let creationID = creation.id
    try call("turn object times off", place) { H5Pset_obj_track_times(creationID, false) }
    // hid_t H5Gcreate2(hid_t loc_id, const char *name, hid_t lcpl_id, hid_t gcpl_id, hid_t gapl_id)
    return Group(
      try call("create the group", place) { H5Gcreate2(id, path, linksID, creationID, 0) }, place)
  }

  /// Opens a dataset below this group, after checking that reading it is safe; see `Dataset`.
  ///
  /// - Parameters:
  ///   - path: The dataset's path relative to the group.
  ///   - chunkCacheBytes: The memory for recently read chunks; nil for the library's 1 MiB.
  public func dataset(
    _ path: String, chunkCacheBytes: Int? = nil
  ) throws(HDF5Error) -> Dataset {
    try Dataset(
      opened: try openUnchecked(path, chunkCacheBytes: chunkCacheBytes), plainPlace(of: path))
  }

  /// Opens a dataset of which nothing has been checked.
  func openUnchecked(
    _ path: String, chunkCacheBytes: Int? = nil
  ) throws(HDF5Error) -> Handle {
    try require(.dataset, path, "dataset")
    let path = Self.components(path).joined(separator: "/")
    let place = self.place.appending(path)
    let access = try propertyList(CHDF5_P_DATASET_ACCESS, place)
    let (id, accessID) = (self.id, access.id)
    if let chunkCacheBytes {
      // herr_t H5Pset_chunk_cache(hid_t dapl_id, size_t nslots, size_t nbytes, double w0): a prime
      // number of slots; w0 = 1 drops chunks that were read to the end first.
      try call("size the chunk cache", place) {
        H5Pset_chunk_cache(accessID, 12421, chunkCacheBytes, 1)
      }
    }
    // hid_t H5Dopen2(hid_t loc_id, const char *name, hid_t dapl_id)
    return Handle(
      try call("open the dataset", place) { H5Dopen2(id, path, accessID) }, release: H5Dclose)
  }

  /// The place of an object below the group.
  func plainPlace(of path: String) -> Place {
    place.appending(Self.components(path).joined(separator: "/"))
  }

  /// Closes the group and checks the status.
  public consuming func close() throws(HDF5Error) {
    try handle.close(place)
  }

  /// Link properties that create the groups on the way to a name.
  func linkCreation(_ place: Place) throws(HDF5Error) -> Handle {
    let links = try propertyList(CHDF5_P_LINK_CREATE, place)
    let linksID = links.id
    // herr_t H5Pset_create_intermediate_group(hid_t plist_id, unsigned crt_intmd)
    try call("set link properties", place) { H5Pset_create_intermediate_group(linksID, 1) }
    return links
  }
}
