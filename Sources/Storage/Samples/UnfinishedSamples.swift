// A file of samples that grows beside its final place, and goes on after an end that nobody wanted.

import Glibc
import HDF5
import Tensors

/// A file of samples under construction, `FINAL.unfinished`; used by one thread.
///
/// It is the final file itself, in its final size, followed by a `SampleTrailer`. Images are written
/// where they belong, in order. At most every two seconds they are forced to the disk, and then,
/// never before, the trailer's count of images that are done is advanced: so what the count says is
/// there also after the power has failed. A process that is killed loses what came since, at most two
/// seconds of work and the images that it was drawing; they are drawn again, to the same bytes.
///
/// The header, all bytes outside of the datasets' elements, says what the images are and how they
/// are made. It is the same for equal jobs and is their identity: only a job that would begin with
/// the same header goes on.
///
/// Where the file system knows locks, the file is locked until it is published, against other
/// processes that would go on as well; HDF5 does not open it either. Without `publish` and `discard`
/// it stays in place when this object goes, if an image is done, and is removed if none is.
public final class UnfinishedSamples {
  /// What the file holds.
  public let layout: SampleLayout
  /// The number of images that were appended, those of an earlier process included.
  public private(set) var done: Int

  private let target: String
  private let path: String
  private let file: OpenSamples
  /// The count in the trailer: the images that are on the disk.
  private var recorded: Int
  private var synchronized = ContinuousClock.now
  private var state = State.open

  private enum State {
    /// Images may be appended.
    case open
    /// The disk has failed to take what it had accepted: the count is not advanced any more.
    case failed
    /// The file is published or discarded.
    case over
  }

  /// How long what was appended may be in memory only.
  private static let interval = Duration.seconds(2)

  /// The file that is written until all images are done.
  public static func path(for target: String) -> String { target + ".unfinished" }

  /// Begins a file of samples, or goes on with one.
  ///
  /// One that was begun without a single image done holds nothing, and is begun anew. A job that is
  /// resumed after its end has all its images: they are in the final file, which is only read then.
  ///
  /// - Parameters:
  ///   - target: The final file; where nothing is to be resumed, it is not looked at here.
  ///   - layout: What it will hold.
  ///   - resuming: Whether to go on with a file that is there. Where none is, one is begun.
  /// - Throws: `.cannotCreate` where the file cannot be made, another process has it, or a file is
  ///   there and is foreign or not to be resumed; `.badData` where what is to be resumed is the
  ///   file of another job or damaged; `.inputOutput`.
  public init(
    for target: String, _ layout: SampleLayout, resuming: Bool
  ) throws(StorageError) {
    let path = Self.path(for: target)
    switch FileKind(path) {
    case .file, .nothing: break
    case .folder, .special:
      throw .cannotCreate(
        path: path,
        reason: "is no file, but the samples are kept there until they are complete; "
          + "remove it or choose another name")
    }
    if resuming, case .nothing = FileKind(path),
      let finished = try OpenSamples.finished(target, layout)
    {
      file = finished
      state = .over
    } else {
      file = try OpenSamples.open(path, layout, resuming: resuming)
    }
    recorded = file.done
    done = file.done
    (self.target, self.path, self.layout) = (target, path, layout)
  }

  /// Writes the next images.
  ///
  /// - Parameters:
  ///   - samples: Whole images, channels last, in the bytes of the layout's format.
  ///   - extras: The parts of these images in each of the layout's extra arrays.
  /// - Throws: `.inputOutput`. What was done before remains.
  public func append(_ samples: [UInt8], extras: [[Float]] = []) throws(StorageError) {
    requireOpen()
    do throws(SystemFailure) {
      done += try file.descriptor.write(
        samples: samples, extras: extras, from: done, layout, file.places)
    } catch {
      throw failed("write the images", error)
    }
    if ContinuousClock.now - synchronized >= Self.interval { try flush() }
  }

  /// Forces all images so far to the disk, so that no end of the process can lose them.
  public func flush() throws(StorageError) {
    requireOpen()
    guard recorded < done else { return }
    do throws(SystemFailure) {
      try file.descriptor.synchronizeData()
    } catch {
      // The system takes these images for written now, and would not report them again.
      state = .failed
      throw failed("write the images", error)
    }
    do throws(SystemFailure) {
      try file.descriptor.write(
        SampleTrailer(done: done, total: layout.count).bytes, at: file.places.end)
    } catch {
      throw failed("write the images", error)
    }
    recorded = done
    synchronized = ContinuousClock.now
  }

  /// Reads images that are done.
  ///
  /// - Returns: Their bytes, in the layout's format.
  /// - Throws: `.inputOutput`.
  public func samples(_ images: Range<Int>) throws(StorageError) -> [UInt8] {
    try bytes(of: images, from: file.places.samples, size: layout.imageBytes)
  }

  /// Reads the parts of an extra array of images that are done.
  ///
  /// - Parameter array: The place of the array in the layout's `extras`.
  /// - Throws: `.inputOutput`.
  public func extra(_ array: Int, _ images: Range<Int>) throws(StorageError) -> [Float] {
    let bytes = try bytes(
      of: images, from: file.places.extras[array], size: 4 * layout.extras[array].count)
    return bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / 4).map { bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
    }
  }

  /// The bytes of images that are done, in one of the arrays.
  private func bytes(
    of images: Range<Int>, from first: Int, size: Int
  ) throws(StorageError) -> [UInt8] {
    precondition(images.lowerBound >= 0 && images.upperBound <= done, "The images must be done.")
    let bytes: [UInt8]
    do throws(SystemFailure) {
      bytes = try file.descriptor.read(
        first + images.lowerBound * size..<first + images.upperBound * size)
    } catch {
      throw failed("read the images", error)
    }
    guard bytes.count == images.count * size else {
      throw .inputOutput(path: path, reason: "was truncated while it was written")
    }
    return bytes
  }

  /// Gives the file, which has all its images now, its final name, and makes that durable.
  ///
  /// Images can still be read. A file that is there already is replaced.
  ///
  /// - Throws: `.inputOutput`. The images remain in the unfinished file then, which can be resumed.
  public func publish() throws(StorageError) {
    // The job had ended before.
    if state == .over { return }
    precondition(done == layout.count, "All images are done before their file is published.")
    try flush()
    // The name first: an end in between leaves a whole file that is 24 bytes too long, and never one
    // that a truncated file could be taken for.
    try rename(path, to: target, durably: true)
    state = .over
    do throws(SystemFailure) {
      try file.descriptor.truncate(to: file.places.end)
    } catch {
      throw failed("finish the file", error)
    }
    // HDF5 does not open a file that is locked.
    file.descriptor.unlock()
  }

  /// Removes the file.
  ///
  /// - Throws: `.inputOutput`.
  public func discard() throws(StorageError) {
    precondition(state != .over, "A file of samples ends once.")
    do throws(SystemFailure) {
      // int unlink(const char *path)
      try systemCall { unlink(path) }
    } catch {
      throw failed("remove the file", error)
    }
    state = .over
  }

  deinit {
    guard state != .over else { return }
    if done == 0 {
      _ = unlink(path)
    } else if state == .open {
      // Where this fails, the images since the last time are drawn again.
      try? flush()
    }
  }

  private func requireOpen() {
    precondition(state == .open, "Nothing is written after the end or after a failure of the disk.")
  }

  private func failed(_ action: String, _ failure: SystemFailure) -> StorageError {
    .inputOutput(path: path, reason: "cannot \(action): \(failure.reason)")
  }
}
