// What shells offer at Tab for the values of options.

import ArgumentParser
import Training

extension CompletionKind {
  /// A dataset or a checkpoint: HDF5 files, and folders, which a run may be.
  static let hdf5 = CompletionKind.file(extensions: ["h5", "hdf5"])

  /// The beginning of an assignment to a setting, `learning_rate=`.
  static let settings = CompletionKind.custom { _, _, _ in
    Configuration.sections.flatMap(\.settings).map { setting in
      // zsh and fish show a remark beside each word.
      switch CompletionShell.requesting {
      case .zsh: "\(setting.key)=:\(setting.help)"
      case .fish: "\(setting.key)=\t\(setting.help)"
      default: "\(setting.key)="
      }
    }
  }
}
