// How viewers of HDF5 files show ours: pictures as pictures, curves as curves.

import HDF5
import Tensors

/// The attributes by which silx, h5web and others know what to draw without being told: those of NeXus's
/// NXdata (manual.nexusformat.org, "NXdata"), and of HDF5's Image and Palette Specification 1.2.
///
/// A file names one group as its `default`; that names one dataset as its `signal`. They are hints: nothing
/// of ours reads them.
enum ViewerAttributes {
  /// What the first images of a dataset are shown as: a picture of at most so many.
  static let pictureCount = 64

  /// Makes a group the one that a viewer opens first, as a plot or picture of one of its datasets.
  ///
  /// - Parameters:
  ///   - axes: The dataset of the horizontal axis; nil for a picture.
  static func mark(
    _ group: borrowing Group, signal: String, axes: String? = nil
  ) throws(HDF5Error) {
    try group.setAttribute("NX_class", .string("NXdata"))
    if let axes { try group.setAttribute("axes", .string(axes)) }
    try group.setAttribute("signal", .string(signal))
  }

  /// Says which group a viewer opens first.
  static func open(_ name: String, in root: borrowing Group) throws(HDF5Error) {
    try root.setAttribute("default", .string(name))
  }

  /// The attributes of a stack of images, or of one; none for a stack of grey ones, whose last axis of one
  /// channel viewers would take for a column of the image.
  ///
  /// - Parameter isStack: Whether there are images one behind the other, (n, h, w, c).
  static func picture(channels: Int, isStack: Bool) -> [String: AttributeValue] {
    let isColour = channels == 3
    guard isColour || !isStack else { return [:] }
    var attributes: [String: AttributeValue] = [
      "interpretation": .string(isColour ? "rgb-image" : "image")
    ]
    attributes["CLASS"] = .string("IMAGE")
    attributes["IMAGE_VERSION"] = .string("1.2")
    attributes["IMAGE_SUBCLASS"] = .string(isColour ? "IMAGE_TRUECOLOR" : "IMAGE_GRAYSCALE")
    if isColour { attributes["INTERLACE_MODE"] = .string("INTERLACE_PIXEL") }
    return attributes
  }

  /// Writes `/view`, the images of a stack of grey ones without their last axis, and makes it what a viewer
  /// opens first. The elements are not there twice.
  ///
  /// - Parameters:
  ///   - path: The images' dataset.
  ///   - extents: (n, h, w, 1).
  static func writeView(
    of path: String, _ type: any HDF5Element.Type, _ extents: [Int], to root: borrowing Group
  ) throws(HDF5Error) {
    let group = try root.createGroup("view")
    let dataset = try group.createDataset(
      "images", of: type, shape: extents.dropLast(), layout: .view(of: path, shape: extents))
    try dataset.setAttribute("interpretation", .string("image"))
    try dataset.close()
    try mark(group, signal: "images")
    try group.close()
    try open("view", in: root)
  }

  /// Writes `/view`, a picture of the first images, and makes it what a viewer opens first.
  static func writeView(_ picture: Picture, to root: borrowing Group) throws(HDF5Error) {
    let group = try root.createGroup("view")
    let (shape, channels) = (picture.shape, picture.shape.channels)
    let dataset = try group.createDataset(
      "first_images", of: UInt8.self,
      shape: [shape.height, shape.width] + (channels == 1 ? [] : [channels]), layout: .contiguous)
    try picture.pixels.withUnsafeBufferPointer { (pixels) throws(HDF5Error) in
      try dataset.write(pixels)
    }
    for (name, value) in self.picture(channels: channels, isStack: false).sorted(by: {
      $0.key < $1.key
    }) {
      try dataset.setAttribute(name, value)
    }
    try dataset.close()
    try mark(group, signal: "first_images")
    try group.close()
    try open("view", in: root)
  }
}
