// The first images of the dataset, to be seen beside what the model draws.

import Foundation
import Storage

extension TrainingRun {
  /// Draws the first images that are trained on, once for the life of a run; on the first rank.
  ///
  /// A picture that cannot be made is told of, and ends nothing.
  func drawData() {
    let path = folder.dataGrid
    guard access(path, F_OK) != 0 else { return }  // int access(const char *path, int mode)
    let (dataset, shape) = (plan.dataset, plan.dataset.shape)
    let count = min(64, plan.configuration.recording.sampleCount, plan.imageCount)
    do throws(StorageError) {
      let reader = try ImageReader(dataset, range: 0..<count)
      var images = [Float](repeating: 0, count: count * shape.count)
      try images.withUnsafeMutableBufferPointer { buffer throws(StorageError) in
        try reader.read(Array(0..<count), into: buffer.baseAddress!)
      }
      try ImageGrid(shape: shape, count: count).picture(of: images).writePNG(to: path)
    } catch {
      warn("\(error): the first images are not drawn; training goes on")
    }
  }
}
