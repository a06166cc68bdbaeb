// What of our models diffusers' files cannot say.

/// Why a model cannot be written as diffusers' files; the description is one line that says what to do.
public enum DiffusersError: Error, Equatable, CustomStringConvertible {
  /// A model that is no `UNet2DModel` with a chain of noise.
  case family(String)
  /// A network that is told captions.
  case captions
  /// A network that predicts the mean of a reverse step.
  case meanPrediction
  /// Several heads of attention, at maps of several widths.
  case unequalHeads(heads: Int, widths: [Int])
  /// A first resolution that is wider than the first convolution.
  case firstMultiplier(Int)
  /// A list of β that is too long for a configuration.
  case tooManySteps(Int)

  /// One line.
  public var description: String {
    switch self {
    case .family(let what):
      "diffusers' DDPMPipeline cannot say \(what); export a model: ddpm of images."
    case .captions:
      "diffusers' UNet2DModel cannot be told captions; export a model with condition none or class."
    case .meanPrediction:
      "diffusers has no prediction: mean (of the reverse step's mean); export a model with epsilon, "
        + "clean or v."
    case .unequalHeads(let heads, let widths):
      "diffusers says the width of an attention head, one for all maps: \(heads) heads of maps of "
        + "\(widths.map(String.init).joined(separator: " and ")) channels have several; export a model "
        + "with heads: 1, or with attention where maps are as wide as the last."
    case .firstMultiplier(let multiplier):
      "diffusers' first resolution is as wide as its first convolution, but the multipliers begin with "
        + "\(multiplier); export a model whose multipliers begin with 1."
    case .tooManySteps(let steps):
      "the \(steps) variances of the schedule make a scheduler_config.json of more than "
        + "\(JSONValue.largestFile >> 20) MiB; export a model with fewer diffusion_steps, or a linear schedule."
    }
  }
}
