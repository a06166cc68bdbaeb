// What somebody may have meant who wrote a key that does not exist.

/// The keys under which others know our settings.
private let synonyms: [String: [String]] = [
  "adam_beta1": ["beta1", "beta_1", "adam_b1"],
  "adam_beta2": ["beta2", "beta_2", "adam_b2"],
  "adam_epsilon": ["eps", "epsilon", "adam_eps"],
  "attention": ["attention_resolutions", "attn_resolutions", "attn"],
  "average_decay": ["ema", "ema_decay", "ema_rate"],
  "average_every": ["snapshot_every", "ema_every", "ema_snapshot_every"],
  "average_lengths": ["ema_lengths", "ema_stds", "sigma_rel", "power_ema", "posthoc_ema"],
  "batch": ["batch_size", "bs", "train_batch_size"],
  "betas": ["trained_betas", "beta_list"],
  "beta_end": ["beta_t", "beta_max"],
  "beta_start": ["beta_min"],
  "blocks": ["num_res_blocks", "layers_per_block", "res_blocks"],
  "channels": ["dim", "base_channels", "model_channels", "num_channels"],
  "checkpoint_every": [
    "save_every", "save_interval", "checkpoint_interval", "ckpt_every", "ckpt_interval",
    "checkpointing_steps",
  ],
  "clip_norm": ["grad_clip", "max_grad_norm", "clip", "gradient_clip", "grad_norm"],
  "data": ["dataset", "data_path", "path", "data_dir", "dataset_path"],
  "diffusion_steps": ["timesteps", "t", "num_timesteps", "num_train_timesteps", "noise_steps"],
  "dropout": ["drop", "drop_rate", "dropout_rate", "p_dropout"],
  "flip": ["random_flip", "hflip", "horizontal_flip"],
  "groups": ["norm_num_groups", "num_groups"],
  "head_channels": ["num_head_channels", "attention_head_dim", "head_dim"],
  "heads": ["num_heads", "attention_heads"],
  "held_out": ["holdout", "num_held_out", "n_held_out"],
  "height": ["image_size", "size", "resolution", "img_size"],
  "image_channels": ["in_channels", "out_channels"],
  "keep_checkpoints": ["max_checkpoints", "save_total_limit", "checkpoints_total_limit"],
  "learning_rate": ["lr"],
  "learning_rate_reference": ["lr_reference", "t_ref", "ref_steps"],
  "learning_rate_schedule": [
    "lr_schedule", "lr_scheduler", "lr_scheduler_type", "scheduler", "lr_decay",
  ],
  "learning_rate_steps": ["lr_steps", "lr_decay_steps", "decay_steps", "t_max", "lr_decay_iters"],
  "memory": ["gradient_checkpointing", "use_checkpoint", "activation_checkpointing"],
  "min_snr_gamma": ["snr_gamma", "min_snr"],
  "multipliers": ["dim_mults", "channel_mult", "ch_mult", "channel_multipliers"],
  "name": ["run_name", "experiment"],
  "objective": ["loss", "loss_type"],
  "patience": [
    "early_stopping", "early_stop", "early_stopping_patience", "early_stopping_rounds",
  ],
  "precision": ["mixed_precision", "dtype", "amp", "bf16", "autocast"],
  "prediction": ["prediction_type", "parameterization", "pred_type"],
  "residual_resize": ["resblock_updown"],
  "sample_count": ["num_samples", "n_samples"],
  "sample_every": ["sample_interval"],
  "scale_shift": ["use_scale_shift_norm", "resnet_time_scale_shift", "film"],
  "schedule": ["beta_schedule", "noise_schedule"],
  "seed": ["random_seed"],
  "steps": [
    "epochs", "num_epochs", "max_steps", "iterations", "num_steps", "total_steps", "n_iter",
    "train_steps", "max_train_steps",
  ],
  "timestep_sampling": ["schedule_sampler", "t_sampling", "antithetic_time_sampling"],
  "validation": [
    "val", "val_split", "validation_split", "val_fraction", "val_data", "val_path", "valid",
    "validation_data", "eval_data", "test_size", "valid_size", "val_size",
  ],
  "validation_every": [
    "eval_every", "val_every", "eval_interval", "val_interval", "eval_steps", "eval_freq",
    "validation_interval", "validation_steps", "val_check_interval",
  ],
  "validation_images": ["eval_images", "val_images", "num_val_samples", "eval_samples"],
  "variance": ["variance_type", "var_type", "learn_sigma"],
  "weighting": ["loss_weighting", "loss_weight", "p2", "snr_weighting"],
  "warmup_steps": ["warmup", "lr_warmup_steps", "warm_up"],
  "weight_decay": ["wd", "adam_weight_decay", "l2"],
  "zero_terminal_snr": ["rescale_betas_zero_snr", "zero_snr", "enforce_zero_terminal_snr"],
  "workers": ["num_workers", "threads", "num_threads"],
]

/// The key that was probably meant; nil where none is near.
///
/// It is the key itself in another spelling, the one that goes by this name elsewhere, or one that
/// a few slips of the fingers turn into it: a letter too many, too few or wrong, or two in the
/// wrong order, at most one for each three letters of the shorter word.
///
/// - Parameters:
///   - key: What was written.
///   - keys: What could have been meant.
package func suggestion(for key: String, among keys: [String]) -> String? {
  let written = normalized(key)
  if let same = keys.first(where: { normalized($0) == written }) { return same }
  let other = keys.first { key in
    synonyms[key]?.contains { normalized($0) == written } ?? false
  }
  if let other { return other }
  let near = keys.map { (key: $0, slips: slips(written, normalized($0))) }
    .filter { $0.slips <= min(written.count, normalized($0.key).count) / 3 }
  return near.min { $0.slips < $1.slips }?.key
}

/// Letters and digits in lower case: "Learning-Rate" is "learningrate".
private func normalized(_ key: String) -> [Character] {
  key.lowercased().filter { $0.isLetter || $0.isNumber }.map { $0 }
}

/// The least number of letters to insert, delete, replace or swap with their neighbour between two
/// words, none twice (optimal string alignment).
private func slips(_ a: [Character], _ b: [Character]) -> Int {
  // The last three rows of the table; row[j] is the distance between a prefix of a and b[..<j].
  var before: [Int] = []
  var above = Array(0...b.count)
  for i in a.indices {
    var row = [i + 1]
    for j in b.indices {
      var least = min(above[j] + (a[i] == b[j] ? 0 : 1), above[j + 1] + 1, row[j] + 1)
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = min(least, before[j - 1] + 1) }
      row.append(least)
    }
    (before, above) = (above, row)
  }
  return above[b.count]
}
