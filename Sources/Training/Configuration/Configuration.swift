// Everything that determines a run: the sum of its sections.

import Layers

/// Everything that determines a training run; the defaults train the embedded digits.
///
/// YAML files and `--set` are flat: the keys of all sections are unique.
public struct Configuration: Equatable, Sendable {
  /// What is run.
  public var run = RunSettings()
  /// The images.
  public var data = DataSettings()
  /// The network.
  public var network = UNetConfiguration.digits
  /// The diffusion process.
  public var diffusion = DiffusionSettings()
  /// The latents of models that have some.
  public var latent = LatentSettings()
  /// The autoencoder whose latents are diffused, where they are.
  public var latentDiffusion = LatentDiffusionSettings()
  /// The noise schedule of a variational diffusion model.
  public var vdm = VDMSettings()
  /// What the network is told that images show.
  public var conditioning = ConditioningSettings()
  /// Steps, batches and who computes them.
  public var training = TrainingSettings()
  /// The optimizer and the moving average.
  public var optimizer = OptimizerSettings()
  /// Images that are not trained on, and what is made of their loss.
  public var validation = ValidationSettings()
  /// What is kept of the run, and when.
  public var recording = RecordingSettings()

  /// The run that trains the embedded digits.
  public init() {}

  /// The sections with their titles, in the order of the documentation and of the files that we
  /// write.
  public static let sections: [(title: String, settings: [Setting<Configuration>])] = [
    section("run", \.run), section("data", \.data), section("network", \.network),
    section("diffusion", \.diffusion), section("latents", \.latent),
    section("latent diffusion", \.latentDiffusion),
    section("variational diffusion", \.vdm),
    section("conditioning", \.conditioning),
    section("training", \.training), section("optimizer", \.optimizer),
    section("validation", \.validation), section("recording", \.recording),
  ]

  /// Every setting.
  public static let settings = sections.flatMap(\.settings)

  private static func section<Section: SettingsSection>(
    _ title: String, _ path: any WritableKeyPath<Configuration, Section> & Sendable
  ) -> (title: String, settings: [Setting<Configuration>]) {
    (title, Section.settings.map { $0.lifted(path) })
  }
}
