// A line of metrics.jsonl, as any version of the program has written it.

import Foundation

/// The numbers of one step, each by its path in the line: `loss`, `terms/kl`, `sums/loss_by_timestep/0`.
public struct MetricsLine: Equatable, Sendable {
  /// A number and its path.
  public struct Number: Equatable, Sendable {
    /// Where it stands in the line.
    public let path: String
    /// The number; true is 1.
    public let value: Double
  }

  /// The number of steps done.
  public let step: Int
  /// The other numbers, each path once, in any order.
  public let numbers: [Number]
  /// The rank that took longest, and its machine; nil where that is not known.
  public let slowest: String?
  /// How long each rank worked at this step; empty where the line does not tell.
  public let rankSeconds: [Double]

  /// Reads a line; nil where it is torn, or none of ours.
  public init?(_ bytes: Data) {
    if let plain = MetricsLine(plain: bytes) {
      self = plain
      return
    }
    guard let line = try? Self.decoder.decode(Self.self, from: bytes) else { return nil }
    self = line
  }

  /// What has been read.
  init(step: Int, numbers: [Number], slowest: String?, rankSeconds: [Double]) {
    (self.step, self.numbers) = (step, numbers)
    (self.slowest, self.rankSeconds) = (slowest, rankSeconds)
  }

  private static let decoder = JSONDecoder()

  /// The number at a path.
  public subscript(path: String) -> Double? { numbers.first { $0.path == path }?.value }
}

extension MetricsLine: Decodable {
  /// The numbers that steps have.
  static let steps = 1...1 << 53

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// Decodes a line; what is no number, and no object or list of numbers, is passed over.
  public init(from decoder: any Decoder) throws {
    let line = try decoder.container(keyedBy: Key.self)
    step = try line.decode(Int.self, forKey: Key(stringValue: "step"))
    guard Self.steps.contains(step) else {
      throw DecodingError.dataCorruptedError(
        forKey: Key(stringValue: "step"), in: line, debugDescription: "is no step")
    }
    var (numbers, slowest, rankSeconds) = ([Number](), String?.none, [Double]())
    for key in line.allKeys {
      let name = key.stringValue
      switch name {
      case "step": break
      case "slowest":
        let parts = try line.nestedContainer(keyedBy: Key.self, forKey: key)
        var (rank, host) = (0, "")
        for part in parts.allKeys {
          if part.stringValue == "host" {
            host = try parts.decode(String.self, forKey: part)
          } else {
            let value = try parts.decode(Double.self, forKey: part)
            numbers.append(Number(path: "\(name)/\(part.stringValue)", value: value))
            if part.stringValue == "rank" { rank = Int(exactly: value) ?? 0 }
          }
        }
        slowest = "rank \(rank) on \(host)"
      case "rank_seconds":
        rankSeconds = try line.decode([Double].self, forKey: key)
        for (rank, value) in rankSeconds.enumerated() {
          numbers.append(Number(path: "\(name)/\(rank)", value: value))
        }
      case "sums":
        let vectors = try line.decode([String: [Double]].self, forKey: key)
        for (vector, values) in vectors {
          for (i, value) in values.enumerated() {
            numbers.append(Number(path: "\(name)/\(vector)/\(i)", value: value))
          }
        }
      case let name where name.hasSuffix("terms") || name == "gradient_norms":
        let terms = try line.decode([String: Double].self, forKey: key)
        for (term, value) in terms {
          numbers.append(Number(path: "\(name)/\(term)", value: value))
        }
      case "skipped":
        numbers.append(Number(path: name, value: try line.decode(Bool.self, forKey: key) ? 1 : 0))
      default:
        guard let value = try? line.decode(Double.self, forKey: key) else { continue }
        numbers.append(Number(path: name, value: value))
      }
    }
    (self.numbers, self.slowest, self.rankSeconds) = (numbers, slowest, rankSeconds)
  }
}
