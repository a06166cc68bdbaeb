// Check: the run could begin.

extension Check {
  /// Whatever `ddpm-dist train` refuses.
  static let run = Check("run") { facts in
    switch facts.run {
    case nil: nil
    case .possible(let what): .good(what)
    case .refused(let message, let code):
      .impossible(message, "ddpm-dist train would end with this.", exitCode: code)
    }
  }
}
