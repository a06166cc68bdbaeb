// ddpm-dist estimate-variance: what the analytic variance needs to know of the data.

import ArgumentParser
import Models
import Parallel
import Storage
import Training

/// `ddpm-dist estimate-variance`.
struct EstimateVariance: JobCommand {
  static let configuration = CommandConfiguration(
    commandName: "estimate-variance",
    abstract: "Estimate the best variance of each reverse step, for a new checkpoint.",
    discussion: """
      Measures how much of the noise the network tells at each t, over training images (Bao et al. \
      2022), and writes a copy of the checkpoint that knows it. With that one, --variance analytic \
      works in evaluate and in ddpm-sample; it holds for the weights that were measured. Some \
      hundred images are enough.
      """)

  @OptionGroup var images: EvaluatedImages
  @Option(
    help: "The checkpoint to write, .h5; one that is there is not replaced without --force.",
    completion: .hdf5)
  var output: String
  @Flag(help: .force)
  var force = false

  func validate() throws {
    if let fault = OutputKind.checkpoint.fault(inName: output) {
      throw ValidationError("--output \(fault)")
    }
  }

  func run(_ job: Job) throws {
    let logger = try job.logger()
    let isFirst = try job.communicator().rank == 0
    try job.together {
      guard isFirst else { return }
      try OutputKind.checkpoint.check(target: output, inputs: images.inputs, isForced: force)
    }
    let loaded = try images.load(job) { logger.warning("\($0)") }
    let model = try job.together {
      try loaded.trained.require(DenoisingDiffusion.self, to: "have a variance for each t")
    }
    let evaluation = model.noiseNormEvaluation()
    let request = try images.request(loaded, job)
    let groups = ImageGroups(
      communicator: try job.communicator(), workers: try job.workers(requested: images.workers))
    let measurements = try EvaluationRun(
      loaded.trained, evaluation, request, groups, logger: logger
    ).measure()
    try job.together {
      guard isFirst else { return }
      let norms = model.noiseNorms(of: measurements)
      guard norms.allSatisfy(\.isFinite) else {
        throw StorageError.badData(
          path: loaded.path, reason: "has a network whose output is not finite; nothing is written")
      }
      var checkpoint = try Checkpoint.read(path: loaded.path)
      checkpoint.facts = checkpoint.facts.map {
        model.facts($0, with: norms, weights: images.weights.rawValue)
      }
      checkpoint.provenance["noise_norms"] =
        "of \(measurements.count) images of \(request.dataset.path)"
      try checkpoint.write(to: output)
      try StandardStreams.print(output + "\n")
    }
  }
}
