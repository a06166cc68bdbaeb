// Which file of samples a job writes to: a new one, or the one that an equal job has begun.

import Glibc

/// An unfinished file of samples, open and locked.
struct OpenSamples: ~Copyable {
  /// The file.
  let descriptor: Descriptor
  /// Where the elements of its datasets are.
  let places: SamplePlaces
  /// The images that are in it.
  let done: Int

  private init(_ descriptor: consuming Descriptor, _ places: SamplePlaces, done: Int) {
    self.descriptor = descriptor
    self.places = places
    self.done = done
  }

  /// Makes a new file, or opens the one that is there; see `UnfinishedSamples`.
  static func open(
    _ path: String, _ layout: SampleLayout, resuming: Bool
  ) throws(StorageError) -> OpenSamples {
    // The new file gets its name when it is complete, so that no half of one is found there. Where
    // a file is to be resumed, the new one tells how its header must be.
    let temporary = try TemporaryFile(for: path)
    let places = try layout.create(at: temporary.path, for: path)
    guard let new = try lock(temporary.path, for: path) else { throw taken(path) }
    let header: [UInt8]
    do throws(SystemFailure) {
      try new.write(SampleTrailer(done: 0, total: layout.count).bytes, at: places.end)
      try new.synchronize()
      header = try new.header(layout, places)
    } catch {
      throw .inputOutput(path: path, reason: "cannot begin the file: \(error.reason)")
    }
    if let old = try lock(path, for: path) {
      let done = try images(in: old, path, layout, places, header: header, resuming: resuming)
      if done > 0 { return OpenSamples(old, places, done: done) }
      // The new file takes its place while the lock keeps others from going on with the old one.
      try temporary.publish()
    } else {
      guard try temporary.publishIfAbsent() else { throw taken(path) }
    }
    return OpenSamples(new, places, done: 0)
  }

  /// Opens the final file of a job that has ended; nil where there is none.
  ///
  /// - Throws: `.cannotCreate` where the file is of another job.
  static func finished(
    _ target: String, _ layout: SampleLayout
  ) throws(StorageError) -> OpenSamples? {
    guard case .file(let bytes) = FileKind(target), bytes > 0 else { return nil }
    let temporary = try TemporaryFile(for: target)
    let places = try layout.create(at: temporary.path, for: target)
    do throws(SystemFailure) {
      let header = try Descriptor(temporary.path, O_RDONLY).header(layout, places)
      let file = try Descriptor(target, O_RDONLY)
      let trailer = try SampleTrailer(file)
      let end = places.end + (trailer == nil ? 0 : SampleTrailer.size)
      if bytes == end, trailer?.isComplete ?? true, try file.header(layout, places) == header {
        // `publish` was ended between its last two steps.
        if trailer != nil { try Descriptor(target, O_WRONLY).truncate(to: places.end) }
        return OpenSamples(file, places, done: layout.count)
      }
    } catch {
      throw .inputOutput(path: target, reason: "cannot be read: \(error.reason)")
    }
    throw .cannotCreate(
      path: target,
      reason: "holds other samples, of another checkpoint, other images or other options; leave "
        + "--resume out to replace them, or choose another name")
  }

  /// Opens and locks a file; nil where there is none.
  private static func lock(_ name: String, for path: String) throws(StorageError) -> Descriptor? {
    do throws(SystemFailure) {
      let descriptor = try Descriptor(name, O_RDWR | O_NOFOLLOW)
      // The other process may have given the file another name before the lock was free.
      if try descriptor.lock(), try descriptor.isFile(at: name) { return descriptor }
    } catch {
      if error.code == ENOENT { return nil }
      throw .cannotCreate(path: path, reason: "is there and cannot be opened: \(error.reason)")
    }
    throw taken(path)
  }

  private static func taken(_ path: String) -> StorageError {
    .cannotCreate(path: path, reason: "is in use by another process; wait until it ends")
  }

  /// The number of images in a file that may be gone on with, or 0 for one that may be replaced.
  ///
  /// - Parameter header: What the header of this job's file is.
  private static func images(
    in file: borrowing Descriptor, _ path: String, _ layout: SampleLayout, _ places: SamplePlaces,
    header: [UInt8], resuming: Bool
  ) throws(StorageError) -> Int {
    let found: SampleTrailer?
    let isOfThisJob: Bool
    do throws(SystemFailure) {
      let size = Int(try file.status().st_size)
      if size == 0 { return 0 }
      let trailer = try SampleTrailer(file)
      found = trailer
      if size == places.end + SampleTrailer.size, trailer?.total == layout.count {
        isOfThisJob = try file.header(layout, places) == header
      } else {
        isOfThisJob = false
      }
    } catch {
      throw .inputOutput(path: path, reason: "cannot be read: \(error.reason)")
    }
    guard let found else {
      let reason = "is no unfinished file of samples, or a truncated one; remove it or choose "
      throw resuming
        ? .badData(path: path, reason: reason + "another name")
        : .cannotCreate(path: path, reason: reason + "another name")
    }
    guard found.done <= found.total else {
      throw .badData(
        path: path, reason: "is damaged: it says that it holds \(found.progress); remove it")
    }
    if found.done == 0 { return 0 }
    guard resuming else {
      throw .cannotCreate(
        path: path, reason: "holds \(found.progress): go on with --resume, or remove it")
    }
    guard isOfThisJob else {
      throw .badData(
        path: path,
        reason: "was begun with another checkpoint, other images or other options; repeat these, "
          + "or remove it")
    }
    return found.done
  }
}
