// The model of the exchange against launch/scaling.py, whose tables stand in docs/scaling.md.

import Benchmark
import Foundation
import Testing

@Suite struct ScalingModelTests {
  /// A row of a table of docs/scaling.md.
  struct Row: CustomTestStringConvertible, Sendable {
    let cells: [Substring]

    var ranks: Int { Int(cells[0])! }
    var rate: Double { Double(cells[1])! }
    var bucketMiB: Int { Int(cells[2].dropLast(4))! }
    var testDescription: String { cells.prefix(3).joined(separator: ", ") }
  }

  /// The rows of both tables of 64 and 1024 ranks, as `launch/scaling.py` prints them.
  static let rows: [Row] = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let path = root.appendingPathComponent("docs/scaling.md").path
    let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    return text.split(separator: "\n").compactMap { line in
      let cells = line.split(separator: "|").map { $0.trimmingPrefix(" ") }
        .map { $0.last == " " ? $0.dropLast() : $0 }
      return cells.count == 10 && Int(cells[0]) != nil ? Row(cells: cells) : nil
    }
  }()

  @Test func theTablesAreThere() { #expect(Self.rows.count == 20) }

  @Test(arguments: rows) func theTablesAreThoseOfTheModel(_ row: Row) {
    let model = ScalingModel(
      parameters: 35_746_307, ranks: row.ranks, bucketBytes: row.bucketMiB << 20)
    #expect("\(model.messages)" == row.cells[3])
    #expect(String(format: "%.3f", 1e-9 * Double(model.bytes)) == row.cells[4])
    let seconds = model.seconds(LinkCost(alpha: 2e-5, gigabits: row.rate))
    #expect(String(format: "%.3f s", seconds) == row.cells[5])
  }

  /// Counts of `half` in launch/scaling.py: parameters, ranks, bucket (0: the trainer's), messages, bytes.
  @Test(arguments: [
    [35_746_307, 2, 0, 35, 71_499_776],
    [35_746_307, 48, 0, 1645, 157_859_840],
    [35_746_307, 1024, 0, 3069, 150_847_488],
    [700_001, 2, 0, 1, 1_407_364],
    [700_001, 4, 65536, 129, 2_113_536],
    [4096, 2, 0, 1, 16384],
    [5000, 8, 0, 7, 114_688],
    [12_345_678, 7, 3_145_728, 96, 43_163_472],
    [1, 1, 0, 0, 0],
  ])
  func countsAreThoseOfTheScript(_ row: [Int]) {
    let model = ScalingModel(
      parameters: row[0], ranks: row[1], bucketBytes: row[2] == 0 ? nil : row[2])
    #expect(model.messages == row[3] && model.bytes == row[4])
  }

  /// With p = 2ᵏ ranks a machine, what leaves it is p (H − 1) parts, the sums of its ranks; with another
  /// number, p (R − p); on one machine all others' parts are near.
  @Test func ranksOfAMachineShareItsLink() {
    let part = 4 * 4096 * 64
    func model(_ ranks: Int, _ perNode: Int) -> ScalingModel {
      ScalingModel(
        parameters: 4096 * 64 * ranks, ranks: ranks, ranksPerNode: perNode, bucketBytes: 1 << 30)
    }
    #expect(model(8, 1).bytes == 7 * part && model(8, 1).messages == 7)
    #expect(model(8, 2).bytes == 2 * 3 * part && model(8, 2).messages == 3)
    #expect(model(8, 2).nearBytes == 1 * 4 * part && model(8, 2).nearMessages == 1)
    #expect(model(8, 4).bytes == 4 * 1 * part && model(8, 4).messages == 1)
    #expect(model(8, 4).nearBytes == 3 * 2 * part && model(8, 4).nearMessages == 3)
    #expect(model(8, 8).bytes == 7 * part && model(8, 8).nearBytes == 0)
    #expect(model(9, 3).bytes == 3 * 6 * part && model(9, 3).messages == 8)
    #expect(model(1, 1).bytes == 0)
    let (far, near) = (LinkCost(alpha: 1, beta: 0), LinkCost(alpha: 0, beta: 1))
    #expect(model(8, 4).seconds(far) == 2)
    #expect(model(8, 4).seconds(far, within: near) == 2 + 2 * Double(6 * part))
  }

  /// What is measured of collective operations gives the cost of their messages back.
  @Test(arguments: [(2, 1), (8, 2), (4, 4)]) func costsAreFoundAgain(
    ranks: Int, perNode: Int
  ) throws {
    let cost = LinkCost(alpha: 3e-5, beta: 1e-9)
    let passes = Double(ranks == perNode ? ranks - 1 : perNode * (ranks - perNode))
    let points = (0..<8).map { power in
      // Each rank sends a part to each other one.
      let part = 1024.0 * Double(1 << (2 * power))
      return MessageCost.Point(
        bytes: (ranks - 1) * Int(part),
        seconds: cost.alpha * Double(ranks - 1) + cost.beta * passes * part)
    }
    let found = try #require(LinkCost(fitting: points, ranks: ranks, ranksPerNode: perNode))
    #expect(abs(found.alpha / cost.alpha - 1) < 1e-6 && abs(found.beta / cost.beta - 1) < 1e-6)
  }
}
