// ddpm-dist dataset import images and npy: pictures and arrays.

import ArgumentParser
import Storage
import Training

/// `ddpm-dist dataset import images`: pictures of a folder, an archive or a TIFF file.
struct ImportImages: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "images",
    abstract: "Import PNG, JPEG and TIFF pictures; a sub-folder is a class.",
    discussion: """
      ddpm-dist dataset import images photos --size 64 --output photos.h5
      ddpm-dist dataset import images ffhq-64x64.zip --output ffhq.h5
      ddpm-dist dataset import images stack.tif --output stack.h5

      The source is a folder, a .zip, .tar, .tar.gz, .tar.xz, .tar.zst or .tar.bz2 archive of one, or a \
      TIFF file whose pages are the pictures. 8 bits a value are 256 levels, 16 are 65536, and floating-point \
      values stay what they are. A file dataset.json ({"labels": [["00000/img00000000.png", 6]]}) says the \
      classes, where there is one.

      A file captions.jsonl or captions.txt beside the pictures tells them, as one of --captions: \
      the lines of the latter stand in the order of the pictures' names, those of the former may name \
      them, as {"file": "a.png", "caption": "a cat"}.
      """)

  @Argument(help: "The folder, the archive, or the TIFF file.", completion: .file())
  var source: String
  @Option(help: "Turn all into 1 (grey) or 3 (colour) channels. (default: as the first one)")
  var channels: Int?
  @Option(
    help: ArgumentHelp(
      """
      Resize all to so many rows and columns, by averages of whole factors and Lanczos's filter. \
      (default: not; all must be of one size)
      """, valueName: "n|hxw"))
  var size: String?
  @Option(help: "Before --size, cut out the middle of its ratio (center), or stretch (none).")
  var crop: PictureSize.Crop = .center
  @Option(
    help: """
      Grey levels, 2 to 65536, where whole numbers use fewer than their bits allow. (default: 256 of \
      8 bits, 65536 of 16)
      """)
  var levels: Int?
  @OptionGroup var options: ImportOptions

  func validate() throws {
    if let channels, channels != 1, channels != 3 {
      throw ValidationError("--channels needs 1 or 3.")
    }
    if let size, PictureSize(size, crop: crop) == nil {
      throw ValidationError(
        "--size needs N or HxW, each 1 to \(PictureSize.most), as in 64 or 64x96.")
    }
    if let levels, !PixelFormat.possibleLevels.contains(levels) {
      throw ValidationError("--levels needs 2 to 65536.")
    }
  }

  func run(_ job: Job) throws {
    try options.run(
      job, inputs: [source],
      .pictures(
        source, channels: channels, levels: levels,
        size: size.flatMap { PictureSize($0, crop: crop) }, readsCaptions: options.captions == nil))
  }
}

extension PictureSize.Crop: ExpressibleByArgument {}
extension ArrayLayout: ExpressibleByArgument {
  /// The order of a word, in small letters or capital ones.
  public init?(argument: String) { self.init(rawValue: argument.lowercased()) }
}

/// `ddpm-dist dataset import npy`: an array of NumPy.
struct ImportNPY: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "npy",
    abstract: "Import an array of NumPy, .npy or .npz: (N, H, W), (N, H, W, C) or (N, C, H, W).",
    discussion: """
      ddpm-dist dataset import npy x.npy y.npy --output x.h5
      ddpm-dist dataset import npy all.npz --key x_train --label-key y_train --output train.h5

      Whole numbers of 0 to 65535 keep their values as grey levels; everything else becomes 32-bit floats, \
      and the least and the largest value are black and white.
      """)

  @Argument(
    help: "The array of images, .npy or .npz.", completion: .file(extensions: ["npy", "npz"]))
  var images: String
  @Argument(
    help: "The array of labels, .npy or .npz.", completion: .file(extensions: ["npy", "npz"]))
  var labels: String?
  @Option(
    help: "The name of the images in an .npz file. (default: the only one, images, arr_0 or x)")
  var key: String?
  @Option(
    help: """
      The name of the labels in an .npz file: that of the labels, or of the images. (default: no labels; \
      of a second file the only one, labels, arr_1 or y)
      """)
  var labelKey: String?
  @Option(help: "The order of the axes: nhwc or nchw. (default: from the extents)")
  var layout: ArrayLayout?
  @Option(
    help: """
      Grey levels, 2 to 65536. (default: the largest value + 1; from 128 on 256, 512, … 65536)
      """)
  var levels: Int?
  @OptionGroup var options: ImportOptions

  func validate() throws {
    for file in [images, labels].compactMap(\.self)
    where ![".npy", ".npz"].contains(where: { file.lowercased().hasSuffix($0) }) {
      throw ValidationError("\(file): the name must end in .npy or .npz.")
    }
    if let levels, !PixelFormat.possibleLevels.contains(levels) {
      throw ValidationError("--levels needs 2 to 65536.")
    }
  }

  func run(_ job: Job) throws {
    try options.run(
      job, inputs: [images, labels].compactMap(\.self),
      .npy(
        images: images, labels: labels, key: key, labelKey: labelKey, layout: layout,
        levels: levels))
  }
}
