// What a start leaves in the run's folder, and says of what it changes.

import Foundation
import Logging
import Storage

extension RunRequest {
  /// Prepares the folder, writes a line of its history, and says which settings have changed; on
  /// rank 0.
  ///
  /// - Parameters:
  ///   - nodes: The machines of the job.
  ///   - ranks: The number of ranks.
  /// - Throws: `StorageError`.
  func recordStart(_ nodes: NodeReport, ranks: Int, _ logger: Logger) throws(StorageError) {
    let history = try RunHistory(path: folder.history)
    let settings = plan.configuration.texts
    var before = history.last?.settings
    if before == nil { before = try earlierSettings() }
    let changed = RunHistory.changes(from: before ?? [:], to: settings)
    let start = RunHistory.Start(
      date: Date.now.formatted(.iso8601), program: "ddpm-dist \(programVersion)", ranks: ranks,
      hosts: nodes.nodes.map(\.host), workers: nodes.workers, step: point?.step ?? 0,
      images: images, initialWeights: initial?.origin, changed: changed, settings: settings,
      command: CommandLine.arguments.joined(separator: " "))
    // Before the configuration makes it a run that can go on: it says which weights are the first.
    try folder.prepare(
      configuration: plan.configuration.yaml(),
      keepsAverages: plan.configuration.optimizer.averageEvery > 0, afterStep: point?.step ?? 0
    ) { () throws(StorageError) in try history.append(start) }
    for (key, values) in changed.sorted(by: { $0.key < $1.key }) {
      logger.notice("\(key) is \(values[1]) now; at the last start it was \(values[0]).")
    }
    if let before = checkpoint?.provenance[Provenance.datasetHash], before != images,
      (try? plan.dataset.requireImages(of: checkpoint!, checksum: images)) == nil
    {
      logger.warning("The images are not those of the checkpoint: their checksum was \(before).")
    }
  }

  /// The settings of a run of an earlier program, which kept no history: those in its checkpoint,
  /// and the others of its `config.yaml`.
  private func earlierSettings() throws(StorageError) -> [String: String] {
    func texts(_ yaml: String?, _ isMeant: (SettingRole) -> Bool) -> [String: String] {
      var configuration = Configuration()
      guard let yaml, (try? configuration.apply(yaml: yaml, source: "")) != nil else { return [:] }
      // Of what the text does not say, nothing is known.
      let said = Set(yaml.split(separator: "\n").map { String($0.prefix { $0 != ":" }) })
      let keys = Configuration.settings.filter { isMeant($0.role) }.map(\.key)
      return configuration.texts.filter { said.contains($0.key) && keys.contains($0.key) }
    }
    let file = texts(try folder.configurationText()) { _ in true }
    return file.merging(texts(checkpoint?.configuration) { $0 != .execution }) { $1 }
  }
}
