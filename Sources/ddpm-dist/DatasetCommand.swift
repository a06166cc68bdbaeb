// ddpm-dist dataset: making datasets and looking at them.

import ArgumentParser

/// `ddpm-dist dataset`: making datasets and looking at them.
struct DatasetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dataset",
    abstract: "Make datasets, of other formats or of known distributions, and look at them.",
    subcommands: [ImportCommand.self, MakeCommand.self, InspectDataset.self])
}
