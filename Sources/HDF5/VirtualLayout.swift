// Datasets that are assembled from others: what they say of it, without opening any of those.

import CHDF5

/// A dataset in virtual storage: where in other datasets its elements are.
///
/// The library would open the files that it names by itself, whatever they are. Here nothing is opened: a caller
/// reads the pieces from files that it trusts.
public struct VirtualArray: Equatable, Sendable {
  /// Some rows (indices of the first extent) that are rows of another dataset, or all of it.
  public struct Piece: Equatable, Sendable {
    /// The rows of the assembled dataset.
    public let rows: Range<Int>
    /// The file that the piece is in, as the dataset names it; nil for the same file.
    public let file: String?
    /// The path of the dataset there.
    public let dataset: String
    /// The first of the rows there; nil where the piece is all of the other dataset, which may have no extent for
    /// rows if it is one.
    public let firstRow: Int?
  }

  /// The extents, slowest first.
  public let shape: [Int]
  /// The pieces, by their rows, which are all rows, each once.
  public let pieces: [Piece]

  /// The most pieces that are read.
  private static let mostPieces = 1 << 20

  /// What a dataset says of its pieces; nil where it keeps its elements itself.
  init?(of dataset: borrowing Handle, _ place: Place) throws(HDF5Error) {
    let id = dataset.id
    // hid_t H5Dget_create_plist(hid_t dset_id)
    let creation = Handle(
      try call("read the properties", place) { H5Dget_create_plist(id) }, release: H5Pclose)
    let creationID = creation.id
    // H5D_layout_t H5Pget_layout(hid_t plist_id)
    let layout = try call("read the layout", place) { H5Pget_layout(creationID).rawValue }
    guard layout == H5D_VIRTUAL.rawValue else { return nil }
    // hid_t H5Dget_space(hid_t dset_id)
    let space = Handle(
      try call("read the dataspace", place) { H5Dget_space(id) }, release: H5Sclose)
    let shape = try extents(of: space, place)
    guard let rows = shape.first, elementCount(shape) != nil else {
      throw .refused(place: place, reason: "declares the impossible shape \(shape)")
    }
    var count = 0
    // herr_t H5Pget_virtual_count(hid_t dcpl_id, size_t *count)
    try call("count the pieces", place) { H5Pget_virtual_count(creationID, &count) }
    guard count <= Self.mostPieces else {
      throw .refused(
        place: place, reason: "is assembled from \(count) pieces; \(Self.mostPieces) are read")
    }
    var pieces: [Piece] = []
    for index in 0..<count {
      pieces.append(try Self.piece(index, of: creation, shape, place))
    }
    pieces.sort { $0.rows.lowerBound < $1.rows.lowerBound }
    var end = 0
    for piece in pieces {
      guard piece.rows.lowerBound == end else { break }
      end = piece.rows.upperBound
    }
    guard end == rows, pieces.reduce(0, { $0 + $1.rows.count }) == rows else {
      throw .refused(
        place: place, reason: "is assembled from pieces that are not all its rows, each once")
    }
    (self.shape, self.pieces) = (shape, pieces)
  }

  private static func piece(
    _ index: Int, of creation: borrowing Handle, _ shape: [Int], _ place: Place
  ) throws(HDF5Error) -> Piece {
    let id = creation.id
    // ssize_t H5Pget_virtual_filename(hid_t dcpl_id, size_t index, char *name, size_t size)
    let file = try text(place) { H5Pget_virtual_filename(id, index, $0, $1) }
    // ssize_t H5Pget_virtual_dsetname(hid_t dcpl_id, size_t index, char *name, size_t size)
    let dataset = try text(place) { H5Pget_virtual_dsetname(id, index, $0, $1) }
    guard !file.contains("%"), !dataset.contains("%") else {
      throw .refused(
        place: place,
        reason: "is assembled from files whose names have numbers put in; only names "
          + "that are there as they are can be read")
    }
    // hid_t H5Pget_virtual_vspace(hid_t dcpl_id, size_t index)
    let target = Handle(
      try call("read a piece", place) { H5Pget_virtual_vspace(id, index) }, release: H5Sclose)
    // hid_t H5Pget_virtual_srcspace(hid_t dcpl_id, size_t index)
    let source = Handle(
      try call("read a piece", place) { H5Pget_virtual_srcspace(id, index) }, release: H5Sclose)
    let sourceID = source.id
    // H5S_sel_type H5Sget_select_type(hid_t space_id): of all elements the extents need not be known.
    let isAll = alone { H5Sget_select_type(sourceID) } == H5S_SEL_ALL
    let all = isAll ? [] : try block(source, place)
    guard let to = try block(target, place), let from = all else {
      throw .refused(place: place, reason: "is assembled from pieces that are no blocks")
    }
    let inner = Array(shape.dropFirst())
    func isWhole(_ ranges: some Collection<Range<Int>>) -> Bool { ranges.map(\.count) == inner }
    let rows = to[0]
    guard isWhole(to.dropFirst()),
      isAll || from.count == shape.count && from[0].count == rows.count && isWhole(from.dropFirst())
        || from.count == shape.count - 1 && rows.count == 1 && isWhole(from)
    else {
      throw .refused(
        place: place,
        reason: "is assembled from pieces that are not whole images one after the other")
    }
    return Piece(
      rows: rows, file: file == "." ? nil : file, dataset: dataset,
      firstRow: !isAll && from.count == shape.count ? from[0].lowerBound : nil)
  }

  /// The block that a selection is; nil where it is none.
  private static func block(
    _ space: borrowing Handle, _ place: Place
  ) throws(HDF5Error) -> [Range<Int>]? {
    let id = space.id
    // int H5Sget_simple_extent_ndims(hid_t space_id)
    let rank = Int(try call("read a piece", place) { H5Sget_simple_extent_ndims(id) })
    guard rank > 0 else { return nil }
    // hssize_t H5Sget_select_npoints(hid_t spaceid): negative where it has no end.
    let count = alone { H5Sget_select_npoints(id) }
    guard count > 0 else { return nil }
    var (start, end) = (
      [hsize_t](repeating: 0, count: rank), [hsize_t](repeating: 0, count: rank)
    )
    // herr_t H5Sget_select_bounds(hid_t spaceid, hsize_t start[], hsize_t end[])
    try call("read a piece", place) { H5Sget_select_bounds(id, &start, &end) }
    let ranges = zip(start, end).map {
      Int(clamping: $0)..<max(Int(clamping: $0), Int(clamping: $1)) + 1
    }
    return elementCount(ranges.map(\.count)) == Int(count) ? ranges : nil
  }

  private static func text(
    _ place: Place, _ read: (UnsafeMutablePointer<CChar>?, Int) -> Int
  ) throws(HDF5Error) -> String {
    let length = try call("read a piece", place) { read(nil, 0) }
    guard 1...4096 ~= length else {
      throw .refused(
        place: place, reason: "is assembled from pieces without a name that can be read")
    }
    var buffer = [CChar](repeating: 0, count: length + 1)
    try call("read a piece", place) { read(&buffer, length + 1) }
    return buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }
}

extension Group {
  /// The pieces that a dataset below this group is assembled from; nil where it keeps its elements itself.
  public func virtualArray(_ path: String) throws(HDF5Error) -> VirtualArray? {
    try VirtualArray(of: try openUnchecked(path), plainPlace(of: path))
  }
}
