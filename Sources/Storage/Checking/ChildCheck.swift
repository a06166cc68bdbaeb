// HDF5 and TIFF files are read by a child process first, which may crash.

import Glibc
import HDF5
import Synchronization

/// Lets a child process read a file as this process is going to, with limits on memory and time.
///
/// Damaged files can make the HDF5 library crash or turn for ever (`docs/decisions/0020`), and of libtiff
/// nobody knows (`docs/decisions/0030`). The child
/// is the program itself with the hidden argument `word`; it is no MPI process. What it refuses, this
/// process refuses in the same words, without opening the file.
public enum ChildCheck {
  /// The first argument of the child.
  public static let word = "__check-file"

  /// What is read of a file.
  enum Subject {
    /// A dataset: everything but the pixels, and these too where they are few.
    case dataset(group: String?)
    /// The attributes that say what a file is.
    case content
    /// Arrays of noise or predictions, and their times.
    case arrays(String, times: String?)
    /// The captions of a name.
    case captions(String)
    /// An array of images of another program, of a name or the only one.
    case array(String?)
    /// The classes of images of another program.
    case classes(String)
    /// An evaluation that is not finished.
    case evaluation
    /// A checkpoint: everything but contiguous tensors, of which only the declarations are read.
    case checkpoint(Checkpoint.Sections)
    /// The power averages of a snapshot or a checkpoint, likewise.
    case averages
    /// The pictures of a folder, an archive or a TIFF file: all of kinds that a child has to decode.
    case pictures

    /// The arguments of the child that say it.
    var words: [String] {
      switch self {
      case .dataset(let group): ["dataset", group ?? "/"]
      case .content: ["content"]
      case .arrays(let name, let times): ["arrays", name, times ?? ""]
      case .captions(let name): ["captions", name]
      case .array(let name): ["array", name ?? ""]
      case .classes(let name): ["classes", name]
      case .evaluation: ["evaluation"]
      case .checkpoint(let sections): ["checkpoint", "\(sections.rawValue)"]
      case .averages: ["averages"]
      case .pictures: ["pictures"]
      }
    }

    /// The subject of some arguments.
    init?(words: [String]) {
      switch (words.first, words.count) {
      case ("dataset", 2): self = .dataset(group: words[1] == "/" ? nil : words[1])
      case ("content", 1): self = .content
      case ("arrays", 3): self = .arrays(words[1], times: words[2].isEmpty ? nil : words[2])
      case ("captions", 2): self = .captions(words[1])
      case ("array", 2): self = .array(words[1].isEmpty ? nil : words[1])
      case ("classes", 2): self = .classes(words[1])
      case ("evaluation", 1): self = .evaluation
      case ("checkpoint", 2):
        guard let number = Int(words[1]) else { return nil }
        self = .checkpoint(Checkpoint.Sections(rawValue: number))
      case ("averages", 1): self = .averages
      case ("pictures", 1): self = .pictures
      default: return nil
      }
    }

    /// How many times the size of the file the child may have of memory.
    ///
    /// The labels of a dataset are kept three times, and may be compressed. Of a checkpoint the file is
    /// mapped, and one tensor read, if it is not contiguous.
    var memoryFactor: Int {
      switch self {
      case .dataset, .content, .arrays, .captions, .array, .classes, .evaluation: 16
      case .checkpoint, .averages: 4
      case .pictures: 0
      }
    }

    /// The memory that the child may have beyond that, in MiB: of pictures one at a time is decoded.
    var memory: Int {
      if case .pictures = self { 768 } else { 48 }
    }

    /// The library that a file of this kind is read by.
    var library: String {
      if case .pictures = self { "TIFF" } else { "HDF5" }
    }

    /// What to do about a file that kills the child.
    var advice: String {
      switch self {
      case .dataset, .content, .arrays, .captions, .array, .classes, .evaluation, .pictures:
        "make it again"
      case .checkpoint, .averages: "take another one"
      }
    }
  }

  private static let isEnabled = Atomic<Bool>(false)

  /// Says that this program understands `word`; without it, as in the tests of libraries, files are
  /// read at once.
  public static func enable() { isEnabled.store(true, ordering: .relaxed) }

  /// The checksums of files that a child of this process has read to the end, and as what.
  private static let known = Mutex<Set<[String]>>([])

  /// Lets a child read a file.
  ///
  /// - Parameter checksum: That of the file, in the bytes of its trailer: a file of the same one is not
  ///   read twice. nil: it is always read.
  /// - Throws: What the child has thrown; `.badData` where it crashed or met its limits;
  ///   `.inputOutput` where it was ended by something else or cannot be started.
  static func require(
    _ path: String, _ subject: Subject, checksum: [UInt8]? = nil
  ) throws(StorageError) {
    guard isEnabled.load(ordering: .relaxed) else { return }
    let key = checksum.map { ["\($0)"] + subject.words }
    if let key, known.withLock({ $0.contains(key) }) { return }
    try run(path, subject)
    if let key { known.withLock { _ = $0.insert(key) } }
  }

  private static func run(_ path: String, _ subject: Subject) throws(StorageError) {
    let end: ChildProcess.End
    var path = path
    do throws(SystemFailure) {
      end = try ChildProcess.run([word, path] + subject.words)
    } catch {
      throw .inputOutput(
        path: path, reason: "cannot be checked in a process of its own: \(error.reason)")
    }
    // What the child had in hand, where it said so, and its refusal behind that.
    let parts = end.text.split(separator: "\0", omittingEmptySubsequences: false).map(String.init)
    let reason = parts.last ?? ""
    if parts.count > 1 { path = parts[parts.count - 2] }
    switch end.cause {
    case .exit(0): return
    case .exit(Code.missingInput.rawValue): throw .missingInput(path: path, reason: reason)
    case .exit(Code.inputOutput.rawValue): throw .inputOutput(path: path, reason: reason)
    case .exit(Code.badData.rawValue): throw .badData(path: path, reason: reason)
    case .exit(let code):
      throw .inputOutput(path: path, reason: "its check ended with the exit code \(code)")
    case .signal(SIGXCPU):
      throw .badData(
        path: path,
        reason: "keeps the \(subject.library) library busy for more than "
          + "\(Limits.seconds(of: path, subject)) s: it is damaged; \(subject.advice)")
    case .signal(let signal) where [SIGINT, SIGTERM, SIGHUP, SIGKILL].contains(signal):
      throw .inputOutput(path: path, reason: "its check was ended by the signal \(signal)")
    case .signal(let signal):
      throw .badData(
        path: path,
        reason: "crashes the \(subject.library) library (signal \(signal)): it is damaged; "
          + subject.advice)
    }
  }

  /// The exit codes of the child.
  private enum Code: Int32 {
    case badData = 65
    case missingInput = 66
    case inputOutput = 74

    init(_ error: StorageError) {
      switch error {
      case .missingInput: self = .missingInput
      case .badData: self = .badData
      case .cannotCreate, .inputOutput: self = .inputOutput
      }
    }
  }

  /// The child: reads the file that its arguments name, and ends.
  ///
  /// - Parameter arguments: Those behind `word`.
  public static func main(_ arguments: [String]) -> Never {
    guard let path = arguments.first, let subject = Subject(words: Array(arguments.dropFirst()))
    else { exit(64) }
    Limits.set(for: path, subject)
    do throws(StorageError) {
      try read(path, subject)
      // Without the libraries' exit handlers, which a damaged file may have upset.
      _exit(0)
    } catch {
      if case .pictures = subject { mark(error.path) }
      say(error.reason)
      _exit(Code(error).rawValue)
    }
  }

  private static let isChild = Atomic<Bool>(false)

  /// Says, where this is the child, what it reads next: should it crash, its last words are the name; and
  /// the next one may take as long again.
  static func mark(_ path: String) {
    guard isChild.load(ordering: .relaxed) else { return }
    say("\0\(path)\0")
    Limits.renewTime(for: path)
  }

  private static func say(_ text: String) {
    let bytes = Array(text.utf8)
    _ = write(STDOUT_FILENO, bytes, bytes.count)
  }

  /// Does with the file what the parent will do.
  private static func read(_ path: String, _ subject: Subject) throws(StorageError) {
    switch subject {
    case .dataset(let group): try ImageDataset(.file(path), group: group).readFewPixels()
    case .content: _ = HDF5Content.read(path)
    case .arrays(let name, let times): _ = try NoisyImages.read(path, name, times)
    case .captions(let name): _ = try CaptionFile.readHDF5(path, name)
    case .array(let name): try StoredArray.probe(path, dataset: name)
    case .classes(let name): _ = try StoredArray.readClasses(path, dataset: name)
    case .evaluation: _ = try UnfinishedEvaluation.contents(of: path)
    case .checkpoint(let sections): try Checkpoint.probe(path: path, sections: sections)
    case .averages: try AverageSnapshot.probe(path: path)
    case .pictures:
      isChild.store(true, ordering: .relaxed)
      try PictureSupply.probe(path)
    }
  }

  /// How much a child may use.
  private enum Limits {
    /// The size of the file; 0 where it has gone.
    private static func size(of path: String) -> Int {
      if case .file(let bytes) = FileKind(path) { bytes } else { 0 }
    }

    /// CPU time: reading 1 GiB of pixels takes less than a second, but a million captions in 64 MiB take
    /// about two.
    static func seconds(of path: String, _ subject: Subject) -> Int {
      if case .pictures = subject { forPicture(path) } else { 2 + size(of: path) >> 24 }
    }

    /// CPU time for one picture, and for listing a folder or an archive of them: two megabytes are
    /// decoded in less than a second, whatever packs them.
    private static func forPicture(_ path: String) -> Int { 4 + size(of: path) >> 21 }

    /// Gives the time for another picture.
    static func renewTime(for path: String) {
      var usage = rusage()
      // int getrusage(int who, struct rusage *usage);
      getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
      var allowed = rlimit()
      // int getrlimit(int resource, struct rlimit *rlim);
      getrlimit(__rlimit_resource_t(RLIMIT_CPU.rawValue), &allowed)
      limit(
        RLIMIT_CPU, usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + 1 + forPicture(path),
        atMost: allowed.rlim_max)
    }

    /// Limits this process.
    ///
    /// The memory, beyond what the program takes by itself, is 48 MiB and some times the size of the
    /// file.
    static func set(for path: String, _ subject: Subject) {
      let (memory, overflow) = size(of: path).multipliedReportingOverflow(
        by: subject.memoryFactor)
      let pages =
        (try? Descriptor("/proc/self/statm", O_RDONLY).read(0..<64))
        .flatMap { Int(String(decoding: $0, as: UTF8.self).split(separator: " ").first ?? "") }
      if let pages, !overflow {
        limit(RLIMIT_AS, pages * Int(getpagesize()) + subject.memory << 20 + memory)
      }
      if case .pictures = subject {
        renewTime(for: path)
      } else {
        limit(RLIMIT_CPU, seconds(of: path, subject))
      }
      limit(RLIMIT_CORE, 0)
    }

    private static func limit(
      _ resource: __rlimit_resource, _ value: Int, atMost most: rlim_t? = nil
    ) {
      var limit = rlimit(rlim_cur: rlim_t(value), rlim_max: most ?? rlim_t(value + 1))
      if resource == RLIMIT_CORE { limit.rlim_max = 0 }
      // int setrlimit(int resource, const struct rlimit *rlim): fails where the limits are lower.
      _ = setrlimit(__rlimit_resource_t(resource.rawValue), &limit)
    }
  }
}

extension ImageDataset {
  /// Reads all pixels where they are at most 64 MiB, else the first and the last image.
  fileprivate func readFewPixels() throws(StorageError) {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: shape.count * format.bytes)
    if !overflow, bytes <= 1 << 26 {
      try readPixels()
    } else {
      var open = try OpenImages.open(self, memoryLimit: 1 << 20)
      let image = UnsafeMutableRawBufferPointer.allocate(
        byteCount: shape.count * format.bytes, alignment: 16)
      defer { image.deallocate() }
      for row in [0, count - 1] { try open.read(row..<row + 1, into: image) }
    }
  }
}
