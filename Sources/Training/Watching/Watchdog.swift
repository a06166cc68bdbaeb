// A thread of each rank that ends the job where a rank does not get on any more.

import Foundation
import MPI
import Synchronization

/// Watches the ranks of a job: one that is stopped, hangs, or is slow is named.
///
/// Each rank tells what it is at once a second, to rank 0 and to rank 1, which takes over where rank 0 is
/// the one that hangs. Where nobody gets on for `timeout` seconds, one line says whose fault it is, and
/// the process ends with 70; the launcher then ends the others.
final class Watchdog: Sendable {
  private let heartbeat: Heartbeat
  private let isOver = Atomic<Bool>(false)

  /// Begins to watch; collective.
  ///
  /// - Parameters:
  ///   - timeout: Seconds without any progress that are a hang; 0: nothing is watched.
  ///   - hosts: The name of each rank's host.
  ///   - tell: Told of ranks that are slow, on rank 0, from another thread.
  init(
    _ heartbeat: Heartbeat, _ communicator: Communicator, timeout: Double, hosts: [String],
    tell: @escaping @Sendable (String) -> Void
  ) throws(MPIError) {
    self.heartbeat = heartbeat
    guard timeout > 0 else { return }
    let socket = PulseSocket()
    // Addresses of the two that listen, and a number that strangers do not know.
    let token = try communicator.broadcast([UInt64.random(in: .min ... .max)], from: 0)[0]
    let own = communicator.rank < 2 ? socket?.addresses() ?? [] : []
    let addresses = try communicator.allGather(
      own.map { UInt64($0.host) << 16 | UInt64($0.port) })
    let listeners = addresses.prefix(2).map { list in
      list.map { PulseSocket.Address(host: UInt32($0 >> 16), port: UInt16($0 & 0xffff)) }
    }
    var watch = Watch(
      heartbeat, rank: communicator.rank, hosts: hosts, timeout: timeout, token: token, listeners,
      socket, tell)
    // Whoever can be heard is heard before the first step.
    watch.tellAll()
    try communicator.barrier()
    watch.hearAll()
    Thread.detachNewThread { [self, watch] in
      var watch = watch
      while !isOver.load(ordering: .relaxed) { watch.turn() }
    }
  }

  /// Ends the watching.
  func end() { isOver.store(true, ordering: .relaxed) }
}

/// What the thread does, once an interval.
private struct Watch: Sendable {
  private let heartbeat: Heartbeat
  private let rank: Int
  private let hosts: [String]
  private let timeout: Double
  private let token: UInt64
  private let listeners: [[PulseSocket.Address]]
  private let socket: PulseSocket?
  private let tell: @Sendable (String) -> Void
  private let interval: Double
  /// What the ranks have told; on those that listen.
  private var judge: HangJudge
  /// This rank alone: in the end it helps itself, where nobody has heard of it.
  private var ownJudge: HangJudge
  private var stragglers = StragglerWatch()
  private var sinceLook = 0.0
  private var lastTurn = SuspendingClock.now

  init(
    _ heartbeat: Heartbeat, rank: Int, hosts: [String], timeout: Double, token: UInt64,
    _ listeners: [[PulseSocket.Address]], _ socket: PulseSocket?,
    _ tell: @escaping @Sendable (String) -> Void
  ) {
    (self.heartbeat, self.rank, self.hosts, self.timeout) = (heartbeat, rank, hosts, timeout)
    (self.token, self.listeners, self.socket, self.tell) = (token, listeners, socket, tell)
    interval = min(1, timeout / 10)
    // Rank 1 gives rank 0 the time to be first.
    judge = HangJudge(ranks: hosts.count, timeout: rank == 0 ? timeout : 1.25 * timeout + 1)
    ownJudge = HangJudge(ranks: 1, timeout: 3 * timeout)
  }

  /// Tells the listeners what this rank is at.
  @discardableResult
  func tellAll() -> Pulse {
    let pulse = heartbeat.pulse(rank: rank)
    let message = withUnsafeBytes(of: token.littleEndian) { Array($0) } + pulse.bytes
    for (listener, addresses) in listeners.enumerated() where listener != rank {
      for address in addresses { socket?.send(message, to: address) }
    }
    return pulse
  }

  /// Waits a second at most until all ranks have been heard.
  mutating func hearAll() {
    guard rank < 2 else { return }
    for _ in 0..<200 where judge.pulses.count < hosts.count - 1 {
      listen()
      usleep(5000)
    }
  }

  /// Waits for an interval, tells, listens, and judges.
  mutating func turn() {
    usleep(UInt32(interval * 1e6))
    let now = SuspendingClock.now
    // Time in which this thread did not run is nobody's fault.
    let seconds = min((now - lastTurn) / .seconds(1), 2 * interval)
    lastTurn = now
    let pulse = tellAll()
    var own = pulse
    own.rank = 0
    ownJudge.note(own)
    if rank < 2 {
      judge.note(pulse)
      listen()
      if let verdict = judge.pass(seconds) { end(verdict) }
      if rank == 0 { look(seconds) }
    }
    if let verdict = ownJudge.pass(seconds) {
      switch verdict {
      case .rank: end(.rank(rank, .idle, last: pulse))
      case .everyone: end(.everyone([pulse]))
      }
    }
  }

  private mutating func listen() {
    while let message = socket?.receive(limit: 8 + Pulse.length + 1) {
      guard message.prefix(8).elementsEqual(withUnsafeBytes(of: token.littleEndian) { Array($0) }),
        let pulse = Pulse(message.dropFirst(8), ranks: hosts.count)
      else { continue }
      judge.note(pulse)
    }
  }

  private mutating func look(_ seconds: Double) {
    sinceLook += seconds
    guard sinceLook >= 20 else { return }
    sinceLook = 0
    let known = judge.pulses.filter { $0.secondsPerShard > 0 }
    let found = stragglers.look(
      Dictionary(uniqueKeysWithValues: known.map { ($0.rank, $0.secondsPerShard) }))
    for (rank, factor) in found {
      tell(
        """
        rank \(rank) on \(hosts[rank]) takes \(String(format: "%.1f", factor)) times as long for a \
        shard as the others, which wait for it: is its core shared with another process?
        """)
    }
  }

  /// Ends the process: the launcher ends the others.
  private func end(_ verdict: HangJudge.Verdict) -> Never {
    StandardStreams.tell("error: \(Self.text(verdict, hosts: hosts, timeout: timeout))\n")
    _exit(ExitCode.software)
  }
}

extension Watch {
  /// A verdict in one line.
  fileprivate static func text(
    _ verdict: HangJudge.Verdict, hosts: [String], timeout: Double
  ) -> String {
    let limit = "\(String(format: "%g", timeout)) s (hang_timeout)"
    let advice = "the job ends; go on with --resume"
    switch verdict {
    case .rank(let rank, let fault, let last):
      let reason =
        switch fault {
        case .silent:
          "has not been heard of for \(limit): its process is stopped, or its host is gone"
        case .idle:
          "has done nothing for \(limit), and waits for no other rank: a disk may hang"
        }
      return "rank \(rank) on \(hosts[rank]) \(reason); it was last in the phase "
        + "\(RunPhase(rawValue: last.phase)!.name), after step \(last.step); \(advice)"
    case .everyone(let pulses):
      let phases = Set(pulses.map { RunPhase(rawValue: $0.phase)!.name }).sorted()
      return "all ranks that can be heard have waited for others for \(limit), in the phase "
        + "\(phases.joined(separator: " or ")), after step \(pulses.map(\.step).min() ?? 0): the "
        + "network may have failed; \(advice)"
    }
  }
}
