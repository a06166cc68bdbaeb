// Jobs that could not work, refused before there is one.

import Foundation
import TestSupport

extension RefusalTests {
  /// A wrong call of `ddpm-dist job`.
  private static func job(
    _ name: String, _ scheduler: String, _ options: [String], train: [String] = ["--run", "@run"],
    code: Int32 = 64, ranks: [Int?] = [nil], _ parts: [String],
    prepare: @escaping @Sendable (TemporaryFolder) async throws -> Void = { _ in }
  ) -> Case {
    Case(
      name: "job: \(name)", words: ["job", scheduler] + options + ["--", "train"] + train,
      code: code, parts: parts, ranks: ranks, prepare: prepare)
  }

  private static let two = ["--cores", "2"]

  static let jobs = [
    Case(
      name: "job: nothing to train", words: ["job", "slurm", "--cores", "2"], code: 64,
      parts: ["Behind -- stand train and its options"]),
    Case(
      name: "job: something else", words: ["job", "slurm", "--cores", "2", "--", "evaluate"],
      code: 64, parts: ["Behind -- stand train"], ranks: [nil]),
    job("unknown scheduler", "slurn", two, ["'slurn'"]),
    job(
      "an option twice", "slurm", two + ["--nodes", "1", "--nodes=2"], ["--nodes is given twice"]),
    job("no cores", "slurm", [], ["--cores", "'here'"]),
    job("a wrong number", "slurm", ["--cores", "two"], ["--cores two", "whole number"]),
    job("too many ranks", "slurm", two + ["--ranks-per-node", "3"], ["--cores 2", "3 ranks"]),
    job(
      "another scheduler's option", "flux", two + ["--mem", "4G"],
      ["--mem 4G", "Flux cannot follow it"]),
    job("no parallel environment", "sge", two, ["--parallel-environment", "qconf"]),
    job("no hosts", "hosts", two, ["--hostfile", "slots=2"]),
    job(
      "a file of hosts that is not there", "hosts", two + ["--hostfile", "@no.txt"], code: 66,
      ["no.txt"]),
    job(
      "a file that names no host", "hosts", two + ["--hostfile", "@hosts"], code: 65,
      ["hosts", "names no host"]
    ) { try $0.write(Array("# none\n".utf8), to: "hosts") },
    job("a queue of none", "hosts", two + ["--submit"], ["--submit", "no queue"]),
    job("no script to submit again", "pbs", two + ["--requeue"], ["--requeue", "--output"]),
    job(
      "a directive that is not there", "slurm", two + ["--skip", "hints"],
      ["--skip hints", "hint, "]),
    job("seconds of LSF", "lsf", two + ["--time", "1:30:30"], ["LSF counts whole minutes"]),
    job(
      "a time that is over at once", "slurm", two + ["--time", "3"],
      ["--warn-before 180", "180 seconds"]),
    job(
      "two limits of time", "pbs", two, train: ["--run", "@run", "--time-limit", "60"],
      ["--time-limit", "--time"]),
    job(
      "seeds twice", "slurm", two + ["--array", "seed=1-4"],
      train: ["--run", "@run", "--set", "seed=3"], ["--array", "seed"]),
    job(
      "a wrong option of the training", "slurm", two, train: ["--bogus"], ranks: [nil, 2],
      ["-- train", "--bogus"]),
    job(
      "an option of the training twice", "slurm", two, train: ["--run", "a", "--run", "b"],
      ["--run is given twice"]),
    job("help", "slurm", two, train: ["--help"], ["leave --help out"]),
    job(
      "an unknown setting", "slurm", two, train: ["--run", "@run", "--set", "chanels=3"],
      ["--set chanels=3", "'channels'"]),
    job(
      "no such configuration", "slurm", two, train: ["--config", "@no.yaml"], code: 66, ["no.yaml"]),
    job("no such data", "slurm", two, train: ["--data", "@no.h5"], code: 66, ["no.h5"]),
    job(
      "no such container", "slurm", two + ["--container", "@no.sif"], code: 66, ["no.sif"]),
    job(
      "ranks that do not share the batch", "slurm", two + ["--nodes", "3"], ["3 ranks"]),
    job(
      "a folder that holds a run", "slurm", two, train: ["--run", "@run"], code: 73,
      ["run", "holds a run already", "--resume"]
    ) { folder in
      try FileManager.default.createDirectory(
        atPath: folder.file("run"), withIntermediateDirectories: true)
      try folder.write(Array("steps: 3\n".utf8), to: "run/config.yaml")
    },
    job(
      "a scheduler that is not here", "flux", two + ["--no-check", "--submit"], code: 69,
      ["flux", "is not on this machine"]),
    job(
      "a name of two words", "slurm", two + ["--name", "my job"], ["--name my job", "cannot carry"]),
  ]
}
