// What no command replaces, whatever it is told: one row for each output of each command.

import Foundation
import Storage
import TestSupport

extension RefusalTests {
  /// Everything that is refused of the outputs in `CommandCall.all`.
  static var outputs: [Case] {
    CommandCall.all.flatMap { call in
      (call.output?.endings ?? []).enumerated().flatMap { place, ending in
        // What is refused on one rank is refused on all, by the same function: once a command.
        let ranks: [Int?] = place == 0 ? [nil, 2] : [nil]
        switch ending {
        case "": return folders(call, "", ranks)
        case "/": return folders(call, "/", ranks)
        default: return files(call, ending, ranks) + inputs(call, ending)
        }
      } + wrongName(call)
    } + besides
  }

  private static func refuse(
    _ call: CommandCall, _ what: String, to target: String, isForced: Bool = false,
    code: Int32 = 73, _ parts: [String], ranks: [Int?] = [nil],
    _ prepare: @escaping @Sendable (TemporaryFolder) throws -> Void = { _ in }
  ) -> Case {
    let forced = isForced ? ", forced" : ""
    return Case(
      name: "\(call.testDescription) \(call.output!.option) \(target): \(what)\(forced)",
      program: call.program, words: call.line(to: target, isForced ? ["--force"] : []), code: code,
      parts: parts, ranks: ranks
    ) { folder in
      try await CommandCall.prepare(folder)
      try prepare(folder)
    }
  }

  private static let text = Array("a diary\n".utf8)

  private static func link(_ folder: TemporaryFolder, _ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: folder.file(name), withDestinationPath: target)
  }

  private static func pipe(_ folder: TemporaryFolder, _ name: String) throws {
    guard mkfifo(folder.file(name), 0o600) == 0 else {
      throw StorageError.cannotCreate(path: name, reason: "no FIFO")
    }
  }

  private static func makeFolder(_ folder: TemporaryFolder, _ name: String) throws {
    try FileManager.default.createDirectory(
      atPath: folder.file(name), withIntermediateDirectories: true)
  }

  /// A file of another kind, and for the first ending of a command what is no file.
  private static func files(_ call: CommandCall, _ ending: String, _ ranks: [Int?]) -> [Case] {
    let name = "out\(ending)"
    let isFirst = ending == call.output?.endings.first
    return [
      refuse(
        call, "a text", to: "@\(name)", [name, "is not replaced", "--force"], ranks: ranks
      ) { try $0.write(text, to: name) },
      ending == ".h5"
        ? refuse(
          call, "a run's", to: "@run/checkpoints/step-00000020.h5",
          ["step-00000020.h5", call.output!.isReplaced ? "ddpm-checkpoint file" : "already"])
        : refuse(call, "a dataset", to: "@\(name)", ["ddpm-dataset file", "is not replaced"]) {
          try FileManager.default.copyItem(atPath: $0.file("held.h5"), toPath: $0.file(name))
        },
    ] + (isFirst ? places(call, name) : [])
  }

  /// What is no file, links, and places where nothing can be written, a part of them for each command:
  /// `OutputKindTests` asks every kind.
  private static func places(_ call: CommandCall, _ name: String) -> [Case] {
    [
      refuse(call, "a folder", to: "@\(name)", isForced: true, [name, "is a folder"]) {
        try makeFolder($0, name)
      },
      refuse(call, "a pipe", to: "@\(name)", isForced: true, [name, "is a device, a pipe"]) {
        try pipe($0, name)
      },
      refuse(call, "a link to a text", to: "@\(name)", [name, "is not replaced"]) {
        try $0.write(text, to: "diary.txt")
        try link($0, name, to: "diary.txt")
      },
      refuse(call, "a device", to: "@\(name)", isForced: true, [name, "is a device, a pipe"]) {
        try link($0, name, to: "/dev/null")
      },
      refuse(
        call, "in no folder", to: "@no/\(name)", isForced: true,
        ["no/\(name)", "cannot be created"]),
      refuse(call, "where nobody writes", to: "/proc/\(name)", ["/proc/\(name)", "cannot be"]),
    ].filter { isTried($0.name, oneOf: 3) }
  }

  /// What the command reads, by other names too; a folder stands for all that is in it.
  private static func inputs(_ call: CommandCall, _ ending: String) -> [Case] {
    let inside = [
      "run": "/checkpoints/step-00000020.h5", "kept": "/checkpoints/step-00000004.h5",
      "pictures": "/1.png", "pipeline": "/model_index.json",
    ]
    return call.inputs.flatMap { input -> [Case] in
      let (file, isFolder) = (input + (inside[input] ?? ""), inside[input] != nil)
      let part = isFolder ? "which the command reads" : "own input"
      func refuseInput(
        _ how: String, _ name: String,
        _ prepare: @escaping @Sendable (TemporaryFolder) throws -> Void = { _ in }
      ) -> Case {
        refuse(
          call, "\(how) of \(input)", to: "@\(name)", isForced: true, [name, part], prepare)
      }
      let soft = refuseInput("a link", "soft\(ending)") { try link($0, "soft\(ending)", to: file) }
      let hard = refuseInput("another name", "hard\(ending)") { folder in
        try FileManager.default.linkItem(
          atPath: folder.file(file), toPath: folder.file("hard\(ending)"))
      }
      let own = file.hasSuffix(ending) ? [refuseInput("the name", "run/../\(file)")] : []
      // Of what a folder holds, another name may be replaced: the file keeps its own.
      return [soft] + own
        + (isFolder || ending != call.output?.endings.first ? [] : [hard])
    }
  }

  private static func wrongName(_ call: CommandCall) -> [Case] {
    guard let output = call.output, let ending = output.endings.first, ending.hasPrefix(".") else {
      return []
    }
    return [
      refuse(
        call, "another ending", to: "@out.txt", isForced: true, code: 64,
        [output.option, "must end in", ending]
      ) { try $0.write(text, to: "out.txt") }
    ]
  }

  /// The folder of a run, which ends in nothing, and one of pictures, which ends in a slash.
  private static func folders(_ call: CommandCall, _ ending: String, _ ranks: [Int?]) -> [Case] {
    let (target, isOfRun) = ("@out\(ending)", ending.isEmpty)
    // Folders of samples can be continued; those of an export are new, and nothing is forced there.
    let isOfSamples = call.program == .sample
    let force = isOfSamples
    func history(_ name: String) -> Case {
      refuse(call, "a foreign \(name)", to: target, ["out", "holds a run"]) {
        try makeFolder($0, "out/averages")
        try $0.write(text, to: "out/\(name)")
      }
    }
    return [
      refuse(call, "a file", to: target, isForced: force, ["out"], ranks: ranks) {
        try $0.write(text, to: "out")
      },
      refuse(call, "a pipe", to: target, isForced: force, ["out"]) { try pipe($0, "out") },
      refuse(call, "a device", to: target, isForced: force, ["out"]) {
        try link($0, "out", to: "/dev/null")
      },
      refuse(call, "below a file", to: "@a.csv/out\(ending)", isForced: force, ["a.csv/out"]),
      refuse(call, "where nobody writes", to: "/proc/out\(ending)", isForced: force, ["/proc/out"]),
    ]
      + (isOfRun
        ? ["config.yaml", "metrics.jsonl", "history.jsonl", "averages/step-00000002.h5"].map(
          history)
        : [
          refuse(
            call, "a folder of others", to: target, isForced: force, ["out", "holds other files"]
          ) {
            try makeFolder($0, "out")
            try $0.write(text, to: "out/diary.txt")
          }
        ]
          + (isOfSamples
            ? [
              refuse(
                call, "the pictures of others", to: target, isForced: force,
                ["out", "of another job"]
              ) {
                try makeFolder($0, "out")
                try $0.write(text, to: "out/samples.json")
              },
              refuse(
                call, "a pipe in it", to: target, isForced: force,
                ["out", "samples.json that is no file"]
              ) {
                try makeFolder($0, "out")
                try pipe($0, "out/samples.json")
              },
              refuse(
                call, "a folder that it reads", to: "@run/", isForced: force,
                ["run", "holds other files"]),
            ] : []))
  }

  /// What stands beside an output until it is whole, and what is written where nothing is said.
  private static var besides: [Case] {
    func besideOf(
      _ program: Program, _ words: [String], _ name: String, _ what: String, code: Int32 = 73,
      _ parts: [String], ranks: [Int?] = [nil],
      _ prepare: @escaping @Sendable (TemporaryFolder) throws -> Void
    ) -> Case {
      Case(
        name: "\(words.first!) beside \(name): \(what)", program: program, words: words, code: code,
        parts: [name] + parts, ranks: ranks
      ) { folder in
        try await CommandCall.prepare(folder)
        try prepare(folder)
      }
    }
    let sample = ["--ckpt", "@run", "--count", "1"]
    let evaluate = ["evaluate", "--ckpt", "@run", "--count", "8", "--output", "@a.csv.json"]
    let (samples, work) = ("a.h5.unfinished", "a.csv.json.unfinished")
    let out = ["--out", "@a.h5", "--force"]
    return [
      besideOf(.sample, sample, "samples.png", "a text", ["is not replaced"]) {
        try $0.write(text, to: "samples.png")
      },
      besideOf(.sample, sample + out, samples, "a text", ["no unfinished file"], ranks: [nil, 2]) {
        try $0.write(text, to: samples)
      },
      besideOf(.sample, sample + out, samples, "a pipe", ["is no file"]) { try pipe($0, samples) },
      besideOf(.sample, sample + out, samples, "a folder", ["is no file"]) {
        try makeFolder($0, samples)
      },
      besideOf(
        .sample, sample + out + ["--resume"], samples, "a text, resumed", code: 65,
        ["no unfinished file"]
      ) { try $0.write(text, to: samples) },
      besideOf(
        .dist, evaluate, work, "a text", code: 65, ["not an HDF5 file"], ranks: [nil, 2]
      ) { try $0.write(text, to: work) },
      besideOf(.dist, evaluate, work, "a pipe", code: 65, ["neither a file"]) {
        try pipe($0, work)
      },
      besideOf(.dist, evaluate, work, "a folder", code: 65, ["is a folder"]) {
        try makeFolder($0, work)
      },
    ]
  }
}
