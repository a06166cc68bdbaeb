// The model card of an exported model.

import Foundation
import Tensors

/// `README.md` of a pipeline folder: what the model is, of which data, with which settings, how far it
/// has come, and how images are drawn; a field for the licence is left to fill in.
struct DiffusersCard {
  /// The configuration of the model.
  let configuration: Configuration
  /// What is known of its training.
  let record: DiffusersRecord
  /// The number of parameters.
  let parameters: Int
  /// Under which licence the model may be used; nil: to be filled in.
  let license: String?

  /// The text, Markdown with a head of YAML as model hubs read it.
  var text: String {
    """
    ---
    library_name: diffusers
    license: \(Self.quoted(license ?? "unknown"))\(license == nil ? "  # fill in" : "")
    pipeline_tag: unconditional-image-generation
    tags:
    - diffusers
    - ddpm
    ---

    # A denoising diffusion model\(record.dataset.map { " of \(Self.cell($0))" } ?? "")

    Written by `export diffusers` of ddpm-dist \(programVersion).

    | | |
    | --- | --- |
    \(facts.map { "| \($0.0) | \($0.1) |" }.joined(separator: "\n"))

    ## How to draw images

    ```python
    \(drawing)
    ```

    \(remarks.joined(separator: "\n\n"))

    ## Settings

    ```yaml
    \(settings.joined(separator: "\n"))
    ```

    """
  }

  private var steps: Int { configuration.diffusion.steps }
  private var classes: [String]? {
    configuration.conditioning.condition == .class ? configuration.conditioning.classNames : nil
  }

  private var data: String {
    guard let name = record.dataset else { return "not known" }
    return Self.cell(name + (record.datasetHash.map { ", checksum \($0)" } ?? ""))
  }

  private var facts: [(String, String)] {
    let images = configuration.data.shape!
    let pixels = configuration.data.format.map { "\($0)" } ?? ""
    let diffusion = configuration.diffusion
    var rows = [
      ("data", data),
      ("images", "\(images) (rows, columns, channels), \(pixels)"),
      (
        "process",
        "\(steps) steps, schedule \(diffusion.schedule.rawValue), the network predicts "
          + "\(diffusion.prediction.rawValue), variance \(diffusion.variance.rawValue)"
      ),
      ("parameters", "\(parameters)"),
      (
        "training",
        record.step == 0
          ? "not known"
          : "\(record.step) steps of \(configuration.training.batch) images, objective "
            + diffusion.objective.rawValue
      ),
      ("loss of the last step", record.loss.map { "\($0)" } ?? "not known"),
      ("weights", Self.cell(record.weights == "average" ? "moving average" : record.weights)),
    ]
    if let classes {
      let names = classes.prefix(1000).enumerated().map { "\($0) \(Self.cell($1))" }
      rows.append(
        ("classes", names.joined(separator: ", ") + "; \(classes.count) stands for no class"))
    }
    return rows
  }

  /// A loop where the network is told classes, which the pipeline's call does not do.
  private var drawing: String {
    guard classes != nil else {
      return """
        from diffusers import DDPMPipeline

        pipeline = DDPMPipeline.from_pretrained("this folder")
        pipeline(num_inference_steps=\(steps)).images[0].save("image.png")
        """
    }
    let images = configuration.data.shape!
    return """
      import torch
      from diffusers import DDPMPipeline

      pipeline = DDPMPipeline.from_pretrained("this folder")
      unet, scheduler = pipeline.unet, pipeline.scheduler
      scheduler.set_timesteps(\(steps))
      labels = torch.tensor([0, 1])
      x = torch.randn(len(labels), \(images.channels), \(images.height), \(images.width))
      with torch.no_grad():
          for t in scheduler.timesteps:
              x = scheduler.step(unet(x, t, class_labels=labels).sample, t, x).prev_sample
      images = (x / 2 + 0.5).clamp(0, 1)
      """
  }

  private var remarks: [String] {
    var remarks = [
      "The chain has \(steps) steps: `num_inference_steps` must not be larger, and is 1000 where it is "
        + "not given."
    ]
    if configuration.diffusion.variance == .learned {
      remarks.append(
        "The network also emits the variance, as many channels again: DDPMScheduler uses it, and other "
          + "schedulers must be given the first half of the output only.")
    }
    if let classes {
      remarks.append(
        "The pipeline's own call cannot be told classes. The label \(classes.count) stands for no class; "
          + "guidance mixes its output with that of a class.")
    }
    return remarks
  }

  /// The settings of the model, and where it was trained here, of its training.
  private var settings: [String] {
    var sections: Set = ["data", "network", "diffusion"]
    if record.step > 0 { sections.formUnion(["training", "optimizer"]) }
    var keys: Set = ["condition"]
    if classes != nil { keys.formUnion(["class_names", "label_drop"]) }
    return Configuration.sections.flatMap { section in
      section.settings.filter { sections.contains(section.title) || keys.contains($0.key) }
    }.filter { $0.role != .execution }.map { setting in
      let value = setting.value(in: configuration)
      return "\(setting.key): \(value.count > 200 ? "\(value.prefix(200)) …" : value)"
    }
  }

  /// A text as a cell of a table can hold it.
  private static func cell(_ text: String) -> String {
    text.escapingControls(keepingLines: false).replacing("|", with: "\\|")
  }

  /// A text as a word of YAML.
  private static func quoted(_ text: String) -> String {
    let isPlain = text.unicodeScalars.allSatisfy {
      $0.isASCII && ($0.properties.isAlphabetic || "0123456789.-_".unicodeScalars.contains($0))
    }
    return isPlain && !text.isEmpty ? text : JSONValue.text(text).string(pretty: false)
  }
}
