// Where each setting of a run comes from.

import Foundation
import MPI
import Storage
import Yams

/// Where the value of a setting comes from.
package enum SettingOrigin: String, Codable, Sendable {
  /// Nobody has said anything.
  case `default`
  /// The file of `--config`, or the `config.yaml` of a run that goes on.
  case configuration
  /// `--set`, or an option that stands for a setting.
  case commandLine = "command line"
  /// The run that goes on: what is `auto` is taken from it.
  case checkpoint
  /// What was `auto` follows from the images, the ranks and other settings.
  case computed

  /// Where the settings of a run come from, by their keys; collective.
  ///
  /// - Returns: The settings on rank 0, none elsewhere.
  /// - Throws: As `RunRequest`.
  package static func origins(
    of request: RunRequest, _ options: RunOptions, _ job: Job
  ) throws -> [String: SettingOrigin] {
    let given = try options.configuration(job).texts
    let isFirst = try job.communicator().rank == 0
    return try job.together { isFirst ? try origins(of: request, options, given) : [:] }
  }

  private static func origins(
    of request: RunRequest, _ options: RunOptions, _ given: [String: String]
  ) throws -> [String: SettingOrigin] {
    let onLine = Set(
      options.overrides.map(\.key)
        + options.assignments.map { String($0.prefix { $0 != "=" }) })
    let inFile = Set(keys(inYAML: try fileText(options, request.folder)))
    let before = texts(ofYAML: request.begun)
    let defaults = Configuration().texts
    return request.plan.configuration.texts.reduce(into: [:]) { origins, setting in
      let (key, value) = (setting.key, setting.value)
      origins[key] =
        if value != given[key] {
          before[key] == value ? .checkpoint : .computed
        } else if onLine.contains(key) {
          .commandLine
        } else if inFile.contains(key) {
          .configuration
        } else {
          value == defaults[key] ? .default : .checkpoint
        }
    }
  }

  /// The text of the file of settings; empty where there is none.
  private static func fileText(_ options: RunOptions, _ folder: RunFolder) throws -> String {
    if let path = options.configurationPath { return try Configuration.text(ofFile: path) }
    return options.resumes ? try folder.configurationText() ?? "" : ""
  }

  private static func texts(ofYAML yaml: String?) -> [String: String] {
    var configuration = Configuration()
    guard let yaml, (try? configuration.apply(yaml: yaml, source: "")) != nil else { return [:] }
    return configuration.texts
  }

  /// The keys of a map, whatever else it is.
  private static func keys(inYAML yaml: String) -> [String] {
    let root = try? Yams.compose(yaml: yaml)
    return root?.mapping?.keys.compactMap(\.string) ?? []
  }
}
