// What images show, and how strongly they follow it, on the command line.

import ArgumentParser
import Models
import Training

/// What images show, and how strongly they follow it.
struct ConditionArguments: ParsableArguments {
  @Option(
    name: .customLong("class"), parsing: .upToNextOption,
    help: ArgumentHelp(
      """
      Of a model with classes: the class of the images, by its name or its number, or all; of several, \
      image 0 is of the first, image 1 of the second, and so on and again. A .png has a row for each. \
      (default: no class)
      """, valueName: "name"))
  var classes: [String] = []
  @Option(
    name: .customLong("prompt"),
    help: ArgumentHelp(
      """
      Of a model that reads captions: what the images are to show; of several, image 0 shows the first, \
      image 1 the second, and so on and again. A .png has a row for each. (default: nothing is said)
      """, valueName: "words"))
  var prompts: [String] = []
  @Option(
    name: .customLong("prompts"),
    help: ArgumentHelp("A text file with a prompt in each line.", valueName: "FILE"),
    completion: .file(extensions: ["txt"]))
  var promptFile: String?
  @Option(
    help: ArgumentHelp(
      "The weights of CLIP's text model, where they are not where training found them.",
      valueName: "FILE.safetensors"),
    completion: .file(extensions: ["safetensors"]))
  var textEncoder: String?
  @Option(
    help: ArgumentHelp("The same of its vocabulary.", valueName: "tokenizer.json|DIR"),
    completion: .file(extensions: ["json"]))
  var textVocabulary: String?
  @Option(
    help: ArgumentHelp(
      """
      How strongly images follow their class or prompt: 1 as the data do, 0 not at all; more makes them \
      more typical and less various, and takes a second evaluation at each step. (default: 1)
      """, valueName: "s"))
  var guidance: Double?
  @Option(
    help: ArgumentHelp(
      """
      Guide only while the noise is more than LOW and at most HIGH times the image, \
      sqrt((1-abar)/abar). (default: always)
      """, valueName: "LOW,HIGH"))
  var guidanceInterval: NoiseInterval?
  @Option(
    help: ArgumentHelp(
      """
      Bring the contrast that guidance adds back by this share, from 0 (not at all) to 1 (wholly). \
      (default: 0)
      """, valueName: "share"))
  var guidanceRescale: Double?
  @Option(
    help: ArgumentHelp(
      """
      Guide away from what another checkpoint of the run sees, an early one for example, instead of \
      from images of no class.
      """, valueName: "checkpoint"),
    completion: .file(extensions: ["h5"]))
  var guideWith: String?

  func validate() throws {
    let said = [
      ("class", !classes.isEmpty), ("prompt", !prompts.isEmpty), ("prompts", promptFile != nil),
    ].filter(\.1).map { "--\($0.0)" }
    if said.count > 1 {
      throw ValidationError("\(said.joined(separator: " and ")) exclude each other.")
    }
    if prompts.contains(where: { $0.allSatisfy(\.isWhitespace) }) {
      throw ValidationError("--prompt needs words.")
    }
    if let guidance, !(0...1000).contains(guidance) {
      throw ValidationError("--guidance needs a number from 0 to 1000, not \(guidance).")
    }
    if let guidanceRescale, !(0...1).contains(guidanceRescale) {
      throw ValidationError(
        "--guidance-rescale needs a share from 0 to 1, not \(guidanceRescale).")
    }
    for (option, isSet) in [
      ("guidance-interval", guidanceInterval != nil), ("guidance-rescale", guidanceRescale != nil),
      ("guide-with", guideWith != nil),
    ] where isSet && (guidance ?? 1) == 1 {
      throw ValidationError("--\(option) needs a --guidance other than 1.")
    }
  }

  /// How strongly images follow what they show.
  ///
  /// - Parameter guide: The model of `guideWith`.
  func guidance(_ guide: Guide?) -> Guidance {
    var guidance = Guidance()
    guidance.scale = self.guidance ?? 1
    guidance.interval = guidanceInterval?.range
    guidance.rescaling = guidanceRescale ?? 0
    guidance.guide = guide
    return guidance
  }
}

/// Noise levels on a command line, `LOW,HIGH`.
struct NoiseInterval: ExpressibleByArgument {
  let range: ClosedRange<Double>

  init?(argument: String) {
    let ends = argument.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    guard ends.count == 2, let low = ends[0], let high = ends[1], low >= 0, low < high else {
      return nil
    }
    range = low...high
  }
}
