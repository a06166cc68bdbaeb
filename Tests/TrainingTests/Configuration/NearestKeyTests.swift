// What was meant by a key that does not exist.

import Testing
import Training

@Suite struct NearestKeyTests {
  private static let keys = Configuration.settings.map(\.key)

  @Test(arguments: [
    ("bath", "batch"), ("btach", "batch"), ("leaning_rate", "learning_rate"), ("Steps", "steps"),
    ("learning-rate", "learning_rate"), ("learningRate", "learning_rate"), ("stpes", "steps"),
    ("chanels", "channels"), ("multiplier", "multipliers"), ("sed", "seed"), ("fliip", "flip"),
    ("learing_rate", "learning_rate"), ("keep_checkpoint", "keep_checkpoints"),
    ("drop_out", "dropout"), ("bata_start", "beta_start"), ("sheduel", "schedule"),
  ])
  func slipsOfTheFingers(key: String, meant: String) {
    #expect(suggestion(for: key, among: Self.keys) == meant)
  }

  @Test(arguments: [
    ("lr", "learning_rate"), ("LR", "learning_rate"), ("epochs", "steps"), ("batch_size", "batch"),
    ("ema", "average_decay"), ("ema_decay", "average_decay"), ("timesteps", "diffusion_steps"),
    ("T", "diffusion_steps"), ("num_timesteps", "diffusion_steps"), ("dim", "channels"),
    ("base_channels", "channels"), ("model_channels", "channels"), ("dim_mults", "multipliers"),
    ("channel_mult", "multipliers"), ("ch_mult", "multipliers"), ("num_res_blocks", "blocks"),
    ("layers_per_block", "blocks"), ("attention_resolutions", "attention"),
    ("attn_resolutions", "attention"), ("num_heads", "heads"), ("norm_num_groups", "groups"),
    ("loss", "objective"), ("loss_type", "objective"), ("beta_schedule", "schedule"),
    ("noise_schedule", "schedule"), ("prediction_type", "prediction"),
    ("parameterization", "prediction"), ("pred_type", "prediction"), ("grad_clip", "clip_norm"),
    ("max_grad_norm", "clip_norm"), ("clip", "clip_norm"), ("warmup", "warmup_steps"),
    ("lr_warmup_steps", "warmup_steps"), ("dataset", "data"), ("data_path", "data"),
    ("path", "data"), ("save_every", "checkpoint_every"), ("save_interval", "checkpoint_every"),
    ("checkpoint_interval", "checkpoint_every"), ("sample_interval", "sample_every"),
    ("num_workers", "workers"), ("threads", "workers"), ("max_steps", "steps"),
    ("iterations", "steps"), ("num_steps", "steps"), ("total_steps", "steps"),
    ("random_flip", "flip"), ("hflip", "flip"), ("random_seed", "seed"), ("image_size", "height"),
    ("size", "height"), ("resolution", "height"), ("beta1", "adam_beta1"), ("beta2", "adam_beta2"),
    ("eps", "adam_epsilon"), ("val_split", "validation"), ("test_size", "validation"),
    ("eval_every", "validation_every"), ("early_stopping", "patience"),
    ("holdout", "held_out"), ("eval_images", "validation_images"),
    ("wd", "weight_decay"), ("weight-decay", "weight_decay"),
    ("lr_scheduler", "learning_rate_schedule"), ("lr_schedule", "learning_rate_schedule"),
    ("T_max", "learning_rate_steps"), ("ema_stds", "average_lengths"),
    ("t_ref", "learning_rate_reference"), ("snapshot_every", "average_every"),
  ])
  func namesThatOthersUse(key: String, meant: String) {
    #expect(suggestion(for: key, among: Self.keys) == meant)
  }

  @Test(arguments: ["", "_", "x", "lrx", "colour", "optimizer", "gpu", "fp16", "s", "ste"])
  func whatIsNotNearIsNotSuggested(key: String) {
    #expect(suggestion(for: key, among: Self.keys) == nil)
  }

  @Test func onlyKeysThatThereAreAreSuggested() {
    #expect(suggestion(for: "lr", among: ["steps", "batch"]) == nil)
    #expect(suggestion(for: "stepps", among: []) == nil)
    // Of two that are equally near, the first.
    #expect(suggestion(for: "beta2", among: ["beta1", "beta3"]) == "beta1")
    // A swap is one slip, and nearer than two wrong letters.
    #expect(suggestion(for: "abcdfe", among: ["abcdgh", "abcdef"]) == "abcdef")
  }
}
