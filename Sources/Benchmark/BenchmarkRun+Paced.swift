// A benchmark whose rounds another program starts.

import Foundation
import MPI
import Training

/// Rounds at the word of another program, which lets several programs take turns on one machine.
///
/// When everything is set up and has run once, a line says so:
///
///     {"batch":16,"parameters":35746307,"peak_memory_bytes":…,"program":"ddpm-dist","ranks":1,
///      "ready":true,"workers":2}
///
/// (in one line; `workers` are those of all ranks). Then each line `step` or `evaluation` of the
/// input is answered by one round and one line, on which images and seconds are those of the round:
///
///     {"images":16,"images_per_second":2.5,"part":"step","peak_memory_bytes":…,"seconds":6.4}
///
/// `quit` is answered by `{"peak_memory_bytes":…,"quit":true}` and ends the program; so does the
/// end of the input, without a word. Between rounds all ranks sleep.
extension BenchmarkRun {
  private enum Command: Int, CaseIterable {
    case step, evaluation, quit, endOfInput, other

    init(_ line: String?) {
      switch line?.trimmingCharacters(in: .whitespaces) {
      case "step": self = .step
      case "evaluation": self = .evaluation
      case "quit": self = .quit
      case nil: self = .endOfInput
      default: self = .other
      }
    }
  }

  private struct Ready: Encodable {
    let ready = true
    let program = "ddpm-dist"
    let parameters, batch, workers, ranks, peakMemoryBytes: Int
  }

  private struct Round: Encodable {
    let part: String
    let images: Int
    let seconds, imagesPerSecond: Double
    let peakMemoryBytes: Int
  }

  private struct Quit: Encodable {
    let quit = true
    let peakMemoryBytes: Int
  }

  /// Serves rounds until the input ends; collective.
  ///
  /// - Parameters:
  ///   - input: Called on rank 0 for the next line; nil at the end.
  ///   - output: Called on rank 0 with each line of JSON, to be passed on at once.
  /// - Throws: `AgreedFailure` for a line that is no command or no part of this benchmark; on rank
  ///   0 what `output` throws.
  public func serve(input: () -> String?, output: (String) throws -> Void) throws {
    for part in options.parts { _ = try round(part) }
    try answer(
      output,
      Ready(
        parameters: parameterCount, batch: plan.configuration.training.batch, workers: allWorkers,
        ranks: communicator.size, peakMemoryBytes: PeakMemory.bytes(over: communicator)))
    while true {
      let line = communicator.rank == 0 ? input() : nil
      switch try share(Command(line)) {
      case .step: try answer(output, round(.step))
      case .evaluation: try answer(output, round(.evaluation))
      case .quit:
        return try answer(output, Quit(peakMemoryBytes: PeakMemory.bytes(over: communicator)))
      case .endOfInput: return
      case .other: try fail(line ?? "")
      }
    }
  }

  /// One round of a part; collective.
  private func round(_ part: Part) throws -> Round {
    guard options.parts.contains(part) else { try fail(part.rawValue) }
    switch part {
    case .step: return try round(part, trainingWork)
    case .evaluation: return try round(part, evaluationWork)
    case .exchange, .reading: try fail(part.rawValue)
    }
  }

  private func round(_ part: Part, _ work: some NetworkBenchmark.Work) throws -> Round {
    let seconds = try timer.round {
      for _ in 0..<options.stepsPerRound { try work.run() }
    }
    let images = work.images * options.stepsPerRound
    return Round(
      part: part.rawValue, images: images, seconds: seconds,
      imagesPerSecond: Double(images) / seconds,
      peakMemoryBytes: try PeakMemory.bytes(over: communicator))
  }

  private func answer(_ output: (String) throws -> Void, _ value: some Encodable) throws {
    guard communicator.rank == 0 else { return }
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys]
    try output(String(decoding: try encoder.encode(value), as: UTF8.self))
  }

  /// The command of rank 0 on all ranks, which sleep until it comes: a rank that waits inside the
  /// MPI library would keep its core busy while the other program is measured.
  private func share(_ command: Command) throws -> Command {
    guard communicator.size > 1 else { return command }
    let word = UnsafeMutableBufferPointer<Int>.allocate(capacity: 1)
    defer { word.deallocate() }
    word[0] = command.rawValue
    var counts = [Int](repeating: 0, count: communicator.size)
    counts[0] = 1
    var request = try communicator.beginAllGather(inPlace: word, counts: counts)
    while try !request.test() { Thread.sleep(forTimeInterval: 0.002) }
    try request.wait()
    return Command(rawValue: word[0])!
  }

  private func fail(_ line: String) throws -> Never {
    throw AgreedFailure(
      rank: 0,
      failure: Failure(
        "standard input: '\(line)' is none of "
          + "\((options.parts.map(\.rawValue) + ["quit"]).joined(separator: ", ")).",
        exitCode: ExitCode.usage))
  }
}
