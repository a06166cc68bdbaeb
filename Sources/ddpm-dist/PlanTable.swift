// What a run would be, as a text for people.

import Preflight
import Tensors
import Training

extension PlanReport {
  /// Settings, images, network, memory and files.
  var table: String {
    let trained = dataset.trained == dataset.images ? "" : ", \(dataset.trained) of them trained on"
    let shape = "\(dataset.height)x\(dataset.width)x\(dataset.channels)"
    let grey = dataset.levels.map { "\($0) levels" } ?? "floats"
    let facts = [
      ["run", step == 0 ? "\(run), new" : "\(run), from step \(step)"],
      ["steps", "\(step + 1) to \(steps)"],
      ["images", "\(dataset.path): \(dataset.images) of \(shape), \(grey)\(trained)"],
      ["checksum", dataset.checksum],
      ["parameters", "\(parameters) in \(tensors) tensors"],
      [
        "arithmetic",
        isTried
          ? "\(number(gigaflopPerImage)) GFLOP an image, \(number(gigaflopPerStep)) GFLOP a step"
          : "not known: this machine has not the memory to try the network",
      ],
      [
        "division",
        "batch \(division.batch) in \(division.shards) shards, which fit "
          + "\(list(division.fittingRanks)) ranks; here \(division.ranks) with "
          + "\(division.workers) \(division.workers == 1 ? "worker" : "workers")",
      ],
    ]
    let notice = settings.first { $0.key == "precision" }
      .flatMap { Precision(rawValue: $0.value)?.notice }
    return text(facts) + (notice.map { $0 + "\n" } ?? "")
      + "\nMEMORY of a rank while it trains: \(bytes(memory.residentBytes))\n"
      + text(memory.training.map { ["  \($0.name)", bytes($0.bytes)] })
      + extra("while a checkpoint is saved, on the first rank", memory.saving)
      + extra("while images are validated or drawn", memory.drawing)
      + "Most of the first rank \(bytes(peakBytes)), of others \(bytes(otherPeakBytes))"
      + (isTried ? "" : ", both without activations")
      + (freeBytes.map { "; this machine has \(bytes($0)) free" } ?? "") + ".\n"
      + "\nFILES of the run: \(bytes(diskBytes)) at most\n"
      + text(
        [
          ["  checkpoints", "\(disk.checkpoints) of \(bytes(disk.checkpointBytes))"],
          ["  averages", bytes(disk.averageBytes)], ["  grids of images", bytes(disk.gridBytes)],
          ["  metrics and records", bytes(disk.logBytes)],
        ].filter { $0[1] != "0 B" })
      + "\nSETTINGS\n"
      + text(settings.map { ["  \($0.key)", $0.value, $0.origin] })
  }

  private func extra(_ title: String, _ parts: [MemoryEstimate.Part]) -> String {
    let sum = parts.reduce(0) { $0 + $1.bytes }
    return parts.isEmpty
      ? ""
      : "And \(title): \(bytes(sum))\n" + text(parts.map { ["  \($0.name)", bytes($0.bytes)] })
  }

  private func text(_ rows: [[String]]) -> String { columnLines(rows) }

  /// The numbers, the middle ones left out where there are many.
  private func list(_ numbers: [Int]) -> String {
    let texts = numbers.map(String.init)
    guard texts.count > 8 else { return texts.joined(separator: ", ") }
    return (texts.prefix(6) + ["…"] + texts.suffix(1)).joined(separator: ", ")
  }
}
