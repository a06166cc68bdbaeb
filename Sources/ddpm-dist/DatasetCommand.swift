// ddpm-dist dataset: making datasets and looking at them.

import ArgumentParser

/// `ddpm-dist dataset`: making datasets and looking at them.
struct DatasetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dataset",
    abstract: "Make datasets from other formats, and look at them.",
    subcommands: [ImportCommand.self, InspectDataset.self])
}
