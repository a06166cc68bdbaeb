// What a run says of itself before its first step.

extension TrainingRun {
  /// Says where it runs, on what, and how far, on the first rank.
  func announce(_ nodes: NodeReport) {
    guard isFirst else { return }
    for line in nodes.lines { logger.info("\(line)") }
    for warning in nodes.warnings { logger.warning("\(warning)") }
    announceExchange()
    let settings = plan.configuration.training
    let busy = workers.count * communicator.size
    if busy > plan.tree.shards {
      logger.warning(
        """
        \(plan.tree.shards == 1 ? "1 shard" : "\(plan.tree.shards) shards") for \(busy) workers: those without a shard only help the others. \
        A run with more shards would keep all of them busy.
        """
      )
    }
    if settings.precision != .float32 {
      logger.info("Products take operands that are rounded to \(settings.precision.rawValue).")
    }
    if let notice = settings.precision.notice { logger.warning("\(notice)") }
    for note in plan.objective.notes { logger.info("\(note)") }
    let parameters = plan.objective.parameters.layout.count
    logger.info(
      """
      \(folder.path): \(plan.imageCount) images of \(plan.dataset.shape) from \(plan.dataset.path), \
      \(parameters) parameters, batch \(settings.batch) in \(plan.tree.shards) shards, \
      steps \(trainer.step + 1) to \(settings.steps)
      """
    )
    announceValidation()
  }

  /// How gradients go from node to node.
  private func announceExchange() {
    let hierarchy = trainer.exchange.hierarchy
    guard plan.configuration.training.reduction == .tree else { return }
    if let reason = hierarchy.reason {
      logger.info("Gradients are exchanged between all ranks at once: \(reason).")
    } else if hierarchy.levels > 1 {
      logger.info(
        """
        Gradients are added within each node first: between nodes go 1/\(hierarchy.ranksPerNode) of the \
        bytes.
        """)
    }
  }

  private func announceValidation() {
    let settings = plan.configuration.validation
    let heldOut = settings.heldOut!
    if heldOut > 0 { logger.info("The last \(heldOut) images are held out.") }
    guard let images = plan.validation else { return }
    let (count, all) = (images.range.count, images.available)
    let stop =
      settings.patience > 0 ? ", until \(settings.patience) in a row bring nothing better" : ""
    logger.info(
      """
      validation: \(count < all ? "\(count) of \(all)" : "\(all)") images of \(images.dataset.path), \
      every \(settings.every) steps and with every checkpoint\(stop)
      """
    )
    if heldOut == 0, let hash = plan.dataset.contentHash, hash == images.dataset.contentHash {
      logger.warning("The images of validation are those that are trained on.")
    }
  }
}
