// Whether the run's folder can be written to, and is the same folder on every machine.

import Foundation
import MPI
import Storage
import Training

/// What came of a file that the first rank writes into the run's folder, or the nearest above it that is there,
/// and the first rank of every other machine looks for.
package struct ProbeResult: Codable, Equatable, Sendable {
  /// Why it cannot be written, and the exit code that stands for that; nil where it can.
  package var refusal: String?
  package var exitCode: Int32 = 0
  /// Where it was written.
  package var folder: String
  /// Its bytes, and the seconds until they were on the disk.
  package var bytes = 0
  package var seconds = 0.0
  /// The machines that do not see it.
  package var unseenBy: [String] = []

  package init(folder: String) { self.folder = folder }

  /// Seconds in which a file must be seen elsewhere: network file systems remember for some seconds what is
  /// not there.
  private static let patience = 5.0

  /// Writes and looks for the file; collective. It is removed again.
  ///
  /// - Parameter path: The run's folder.
  package static func measure(_ path: String, _ communicator: Communicator) throws -> ProbeResult {
    let node = try communicator.splitByNode()
    // Processes on other machines may have begun in another folder.
    let absolute = URL(fileURLWithPath: path).path
    var result = ProbeResult(folder: nearestFolder(absolute))
    var probe: Held?
    let text = Array("\(UUID().uuidString)\n".utf8)
    if communicator.rank == 0 {
      do {
        let space = FreeSpace(of: result.folder)?.bytes ?? 0
        // As much as shows the speed of the disk, where there is plenty of room.
        let allowed = ResourceLimits.current.fileBytes ?? .max
        let filling = space > 1 << 30 && allowed > 32 << 20 ? 16 << 20 : 0
        let file = try ProbeFile(in: result.folder, text, filling: filling)
        (result.bytes, result.seconds) = (text.count + filling, file.seconds)
        probe = Held(file)
      } catch {
        let failure = ExitCode.failure(for: error)
        (result.refusal, result.exitCode) = (failure.message, failure.exitCode)
      }
    }
    let place = try communicator.broadcast(probe?.path ?? "", from: 0)
    let content = try communicator.broadcast(text.map { Int($0) }, from: 0)
    var misses = false
    if !place.isEmpty, node.rank == 0, communicator.rank != 0 {
      misses = !sees(place, content.map { UInt8($0) })
    }
    let host = misses ? ProcessInfo.processInfo.hostName : ""
    result.unseenBy = try communicator.allGather(Array(host.utf8))
      .map { String(decoding: $0, as: UTF8.self) }.filter { !$0.isEmpty }
    // All have looked: the file may go.
    withExtendedLifetime(probe) {}
    probe = nil
    return try RankFacts.gather(result, communicator)[0].with(unseenBy: result.unseenBy)
  }

  /// A file that stays for as long as the object.
  private final class Held {
    let path: String
    private let file: ProbeFile

    init(_ file: consuming ProbeFile) {
      path = file.path
      self.file = file
    }
  }

  private func with(unseenBy hosts: [String]) -> ProbeResult {
    var result = self
    result.unseenBy = hosts
    return result
  }

  private static func sees(_ path: String, _ beginning: [UInt8]) -> Bool {
    let began = ContinuousClock.now
    while (ContinuousClock.now - began) / .seconds(1) < patience {
      if let file = FileHandle(forReadingAtPath: path),
        let read = try? file.read(upToCount: beginning.count), Array(read) == beginning
      {
        return true
      }
      Thread.sleep(forTimeInterval: 0.1)
    }
    return false
  }
}
