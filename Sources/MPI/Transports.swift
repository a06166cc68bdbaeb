// How messages travel, as far as the MPI library tells.

internal import CMPI

/// The components of Open MPI that carry messages, as they are open after initialisation.
///
/// Open MPI closes the components that it has not chosen, and with them the control variables of theirs
/// that MPI's tool interface shows (MPI 3.1, section 14.3.6): those that are left tell which are in use.
/// Other libraries have other variables; then nothing is known.
public struct Transports: Codable, Equatable, Sendable {
  /// The components that match messages (`pml`): one where it is known, as `ob1` or `ucx`.
  public let matching: [String]
  /// The components that move bytes for `ob1` (`btl`), as `vader` and `tcp`; without `self`.
  public let bytes: [String]
  /// The components that move messages for `cm` (`mtl`), as `ofi`.
  public let messages: [String]

  /// The components that the names of control variables tell of.
  public init(variables: [String]) {
    func components(_ framework: String, _ ending: String) -> [String] {
      variables.filter { $0.hasPrefix(framework + "_") && $0.hasSuffix("_" + ending) }
        .map { String($0.dropFirst(framework.count + 1).dropLast(ending.count + 1)) }
        .filter { !$0.isEmpty && $0 != "base" && $0 != "self" }.sorted()
    }
    matching = components("pml", "priority")
    bytes = components("btl", "exclusivity")
    messages = components("mtl", "priority")
  }

  /// Those of this process; of none where the library does not tell.
  ///
  /// Needs a session that has begun.
  public static var current: Transports { Transports(variables: controlVariables) }

  /// The names of the library's control variables.
  private static var controlVariables: [String] {
    var provided: CInt = 0
    // int MPI_T_init_thread(int required, int *provided)
    guard MPI_T_init_thread(CMPI_THREAD_FUNNELED(), &provided) == CMPI_SUCCESS() else { return [] }
    // int MPI_T_finalize(void): the variables need no more than their names.
    defer { _ = MPI_T_finalize() }
    var count: CInt = 0
    // int MPI_T_cvar_get_num(int *num_cvar)
    guard MPI_T_cvar_get_num(&count) == CMPI_SUCCESS() else { return [] }
    return (0..<count).compactMap { index in
      withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { name -> String? in
        name.initialize(repeating: 0)
        var length = CInt(name.count)
        // int MPI_T_cvar_get_info(int cvar_index, char *name, int *name_len, int *verbosity,
        //                         MPI_Datatype *datatype, MPI_T_enum *enumtype, char *desc,
        //                         int *desc_len, int *bind, int *scope): what is null is not told. A
        // variable whose component is closed is refused.
        let status = MPI_T_cvar_get_info(
          index, name.baseAddress!, &length, nil, nil, nil, nil, nil, nil, nil)
        guard status == CMPI_SUCCESS() else { return nil }
        return String(
          decoding: UnsafeRawBufferPointer(name).prefix { $0 != 0 }, as: UTF8.self)
      }
    }
  }

  /// How messages travel, in words; nil where it is not known.
  ///
  /// - Parameter spansNodes: Whether ranks are on several machines.
  public func summary(spansNodes: Bool) -> String? {
    guard matching.count == 1 else { return nil }
    switch matching[0] {
    case "ob1":
      guard !bytes.isEmpty else { return nil }
      let inside = bytes.filter { Self.sharedMemory.contains($0) }
      let between = bytes.filter { !inside.contains($0) }
      func list(_ names: [String]) -> String { "ob1: " + names.joined(separator: ", ") }
      guard spansNodes, !inside.isEmpty, !between.isEmpty else {
        return list(spansNodes && !between.isEmpty || inside.isEmpty ? between : inside)
      }
      return "\(list(inside)) within a node, \(between.joined(separator: ", ")) between nodes"
    case "cm":
      return messages.count == 1 ? "cm: \(messages[0])" : nil
    case let name: return name
    }
  }

  /// Whether messages between nodes go over TCP: false where it is not known.
  public var usesTCP: Bool {
    matching == ["ob1"] && bytes.filter { !Self.sharedMemory.contains($0) } == ["tcp"]
  }

  private static let sharedMemory: Set = ["vader", "sm", "smcuda"]
}
