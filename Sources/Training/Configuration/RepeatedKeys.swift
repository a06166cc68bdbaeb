// Settings that are given twice.

/// Settings that a command line gives twice, of which only one could have its way.
public enum RepeatedKeys {
  /// Requires that no key is assigned twice, or assigned and given by an option of its own.
  ///
  /// - Parameters:
  ///   - assignments: What stands behind `--set`: `key=value`. What has another form is refused
  ///     elsewhere.
  ///   - options: The settings that have been given by an option, as `("steps", "10")`.
  /// - Throws: `ConfigurationError` that names both.
  public static func requireNone(
    assignments: [String], options: [(key: String, value: String)]
  ) throws(ConfigurationError) {
    var given: [String: String] = [:]
    for (key, value) in options { given[key] = "--\(key) \(value)" }
    for assignment in assignments {
      guard let equals = assignment.firstIndex(of: "=") else { continue }
      let key = String(assignment[..<equals])
      let source = "--set \(assignment)"
      if let other = given[key] {
        throw ConfigurationError(
          source: source, reason: "'\(key)' is given twice, also by \(other); give it once.")
      }
      given[key] = source
    }
  }
}
