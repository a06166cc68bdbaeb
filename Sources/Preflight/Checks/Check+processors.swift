// Check: all ranks compute with the same kind of CPU.

extension Check {
  /// The names of the CPUs.
  static let processors = Check("processors") { facts in
    let own = facts.ranks[0].processor
    guard let others = facts.others(\.processor) else { return .good(own) }
    let kinds = Set(facts.ranks.map(\.processor)).subtracting([own]).sorted()
    return .warning(
      "\(own), and \(kinds.joined(separator: "; ")): \(others)",
      "The run works at the pace of the slowest, and its bits are not those of one kind of CPU: ask for "
        + "equal machines where that matters.")
  }
}
