// ddpm-dist dataset import hdf5: arrays of any program.

import ArgumentParser
import Storage
import Training

/// `ddpm-dist dataset import hdf5`: arrays of instruments, simulations and other programs.
struct ImportHDF5: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "hdf5",
    abstract: "Import arrays of HDF5 files that other programs have written.",
    discussion: """
      ddpm-dist dataset import hdf5 run*.h5 --dataset /entry/data/data --range 0,4095 --output d.h5

      Images are (N, H, W), (N, H, W, C) or (N, C, H, W), of integers of 8 to 64 bits or floats of 32 and 64; an array \
      (H, W) that --dataset names is one image. Whole numbers from 0 to 65535 stay what they are, grey levels; others become float32 in their \
      range. A virtual dataset is read from those files only that are named too.
      """)

  @Argument(help: "The files, whose images follow each other.", completion: .hdf5)
  var files: [String]
  @Option(
    help: ArgumentHelp(
      "The dataset in each file. (default: the only one that may be images)", valueName: "path"))
  var dataset: String?
  @Option(
    help: ArgumentHelp(
      "The dataset of the classes of the images. (default: none)", valueName: "path"))
  var labels: String?
  @Option(help: "The order of four axes. (default: by the extents)")
  var layout: ArrayLayout?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      The numbers that are black and white: MIN,MAX, percentile:P,Q of all, or per-channel[:P,Q]; what is \
      beyond is clipped, and counted. (default: the least and the largest)
      """, valueName: "range"))
  var range: String?
  @Option(
    help: """
      Grey levels of whole numbers, 2 to 65536. (default: 256 of bytes; else the largest number + 1; from 128 \
      on 256, 512, … 65536)
      """)
  var levels: Int?
  @OptionGroup var options: ImportOptions

  func validate() throws {
    if let range, ValueRange(range) == nil {
      throw ValidationError(
        "--range needs MIN,MAX, percentile:P,Q, per-channel or per-channel:P,Q, rising numbers.")
    }
    if let levels, !PixelFormat.possibleLevels.contains(levels) {
      throw ValidationError("--levels needs 2 to 65536.")
    }
  }

  func run(_ job: Job) throws {
    var arrays = ArrayOptions()
    (arrays.dataset, arrays.labels, arrays.layout, arrays.levels) = (
      dataset, labels, layout, levels
    )
    arrays.range = range.flatMap { ValueRange($0) } ?? .automatic
    let (files, chosen) = (files, arrays)
    try options.run(job, inputs: files, .hdf5(files: files, chosen))
  }
}
