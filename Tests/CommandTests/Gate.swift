// A limit on the programs that run side by side.

/// Lets work run when there is room for it, in the order in which it asks.
actor Gate {
  /// For the programs that tests start: twice as many processes as a small machine has cores, since much
  /// of a short program's time is waiting for mpirun.
  static let programs = Gate(width: 4)

  /// Whether this task has entered already: then it enters again at once, or two that wait for each other
  /// would wait for ever.
  @TaskLocal private static var isInside = false

  private let width: Int
  private var free: Int
  private var waiting: [(places: Int, begin: CheckedContinuation<Void, Never>)] = []

  init(width: Int) { (self.width, free) = (width, width) }

  /// Runs `body` when a number of places is free, all of them where it asks for more.
  func enter<Result: Sendable>(
    _ places: Int, _ body: @Sendable () async throws -> Result
  ) async throws -> Result {
    if Self.isInside { return try await body() }
    let places = min(places, width)
    await withCheckedContinuation { begin in
      waiting.append((places, begin))
      admit()
    }
    defer {
      free += places
      admit()
    }
    return try await Self.$isInside.withValue(true) { try await body() }
  }

  private func admit() {
    while let next = waiting.first, next.places <= free {
      free -= next.places
      waiting.removeFirst()
      next.begin.resume()
    }
  }
}
