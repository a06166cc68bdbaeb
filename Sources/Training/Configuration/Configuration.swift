import Diffusion
import Layers
import Parallel

/// Everything that determines a training run; the defaults train the embedded digits.
///
/// The keys, units and ranges under which users set these values are in `Setting.all`.
public struct Configuration: Equatable, Sendable {
  /// What the network's output is trained towards.
  public enum Objective: String, CaseIterable, Sendable {
    /// The mean squared error of the prediction (Ho, Jain, Abbeel 2020, equation 14).
    case simple
    /// The variational bound itself, an unbiased estimate in bits per dimension (equation 5).
    case bound
  }

  /// How the variances β_t grow.
  public enum Schedule: String, CaseIterable, Sendable {
    /// From `betaStart` to `betaEnd` in equal steps (Ho, Jain, Abbeel 2020, section 4).
    case linear
    /// The cosine schedule (Nichol, Dhariwal 2021, equation 17).
    case cosine
  }

  /// The name of the run; its folder is `runs/<name>` where none is given.
  public var name = "digits"
  /// The dataset's path; nil: the embedded digits.
  public var data: String?
  /// The group of the dataset's file that holds the images.
  public var dataGroup = "/"
  /// Whether each image is mirrored with probability ½.
  public var flip = false
  /// The grey levels of an image's scalars, 0 for continuous ones; nil: as the dataset says.
  public var levels: Int?
  /// The pixel rows of an image; nil: as the dataset says.
  public var height: Int?
  /// The pixel columns of an image; nil: as the dataset says.
  public var width: Int?
  /// The channels of an image; nil: as the dataset says.
  public var imageChannels: Int?

  /// The network; its image extents are overridden by `height`, `width` and `imageChannels`.
  public var network = {
    var network = UNetConfiguration()
    network.channels = 32
    network.multipliers = [1, 2]
    network.blocks = 1
    network.attention = [4]
    network.groups = 8
    network.dropout = 0
    return network
  }()

  /// The number T of diffusion steps.
  public var diffusionSteps = 200
  /// How the variances grow.
  public var schedule = Schedule.cosine
  /// β_1 of the linear schedule.
  public var betaStart = 1e-4
  /// β_T of the linear schedule.
  public var betaEnd = 0.02
  /// What the network's output stands for.
  public var prediction = Prediction.epsilon
  /// The variance of a step of the reverse process.
  public var variance = ReverseVariance.fixedSmall
  /// What the network's output is trained towards.
  public var objective = Objective.simple

  /// The number of optimizer steps of the whole run.
  public var steps = 2000
  /// The images of one step, over all ranks.
  public var batch = 128
  /// The seed of all random numbers, 0 or more.
  public var seed = 1
  /// The shards of a batch; nil: chosen from the batch and the rank count.
  public var shards: Int?
  /// The worker threads of each rank; nil: the cores that the rank may use.
  public var workers: Int?
  /// How the ranks add their gradients.
  public var reduction = GradientReduction.tree

  /// Adam's learning rate after the warm-up.
  public var learningRate = 2e-3
  /// The steps over which the learning rate grows from 0 to its value.
  public var warmupSteps = 20
  /// The decay of Adam's first moment.
  public var adamBeta1 = 0.9
  /// The decay of Adam's second moment.
  public var adamBeta2 = 0.999
  /// What Adam adds to its denominator.
  public var adamEpsilon = 1e-8
  /// The largest global norm of a gradient; larger ones are scaled down to it.
  public var clipNorm = 1.0
  /// The decay of the moving average of the weights.
  public var averageDecay = 0.98

  /// The steps between checkpoints; the last step always makes one.
  public var checkpointEvery = 500
  /// The number of newest checkpoints that are kept.
  public var keepCheckpoints = 3
  /// The steps between sample grids, 0 for none; the last step makes one unless it is 0.
  public var sampleEvery = 500
  /// The images of a sample grid.
  public var sampleCount = 64

  /// The run that trains the embedded digits.
  public init() {}
}
