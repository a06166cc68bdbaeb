// ddpm-dist dataset: making datasets and looking at them.

import ArgumentParser

/// `ddpm-dist dataset`: making datasets and looking at them.
struct DatasetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dataset",
    abstract: "Make datasets, of other formats or known distributions, look at and export them.",
    subcommands: [ImportCommand.self, ExportDataset.self, MakeCommand.self, InspectDataset.self])
}
