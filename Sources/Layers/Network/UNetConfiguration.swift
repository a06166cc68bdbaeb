// A few numbers describe a network; not all combinations can be built.

import Tensors

/// The extents that, with those of the images, determine a UNet; every other size follows.
///
/// The defaults are Ho's network for CIFAR-10 (Ho, Jain, Abbeel 2020, appendix B): 35,746,307
/// parameters.
public struct UNetConfiguration: Equatable, Sendable {
  /// The channels of the maps at the first resolution.
  public var channels = 128
  /// The channels at each resolution, as multiples of `channels`; each further one halves the map.
  public var multipliers = [1, 2, 2, 2]
  /// The residual blocks at each resolution on the way down; there is one more on the way up.
  public var blocks = 2
  /// The map heights at which an attention block follows each residual block.
  public var attention = [16]
  /// The heads of each attention block, where `headChannels` does not say how wide they are.
  public var heads = 1
  /// The channels of each head of an attention block; nil: as many as `heads` says.
  public var headChannels: Int?
  /// The groups of each group normalisation.
  public var groups = 32
  /// The probability that dropout sets a scalar to 0.
  public var dropout = 0.1
  /// Whether residual blocks halve and double the maps, in the place of a convolution with a stride and
  /// one behind the upsampling.
  public var residualResize = false
  /// Whether the time is a scale and a shift behind a normalisation, in the place of a sum before it.
  public var scaleShift = false

  /// Ho's network for CIFAR-10.
  public init() {}

  /// The heads of an attention block on maps of some channels.
  public func heads(ofChannels channels: Int) -> Int { headChannels.map { channels / $0 } ?? heads }

  /// Why no network of images can have these extents, as a sentence; nil where one can.
  ///
  /// - Parameter condition: What the images can be said to show.
  public func defect(of images: ImageShape, condition: ConditionKind = .none) -> String? {
    let (height, width) = (images.height, images.width)
    let factor = 1 << max(0, multipliers.count - 1)
    if height < 1 || width < 1 || images.channels < 1 {
      return "An image needs at least one row, one column and one channel."
    }
    if multipliers.isEmpty || multipliers.contains(where: { $0 < 1 }) {
      return "The multipliers must be positive, one for each level."
    }
    if blocks < 1 { return "Each level needs at least one residual block." }
    if height % factor != 0 || width % factor != 0 {
      return "\(multipliers.count) levels halve the map \(multipliers.count - 1) times, but "
        + "\(height) x \(width) pixels cannot be divided by \(factor); pad or crop the images, or set "
        + "fewer multipliers."
    }
    if channels < 4 || channels % 2 != 0 {
      return "The channels must be an even number of at least 4, not \(channels); set channels."
    }
    if groups < 1 { return "A normalisation needs at least one group." }
    if heads < 1 { return "Attention needs at least one head." }
    for width in normalizedWidths where width % groups != 0 {
      return
        "\(groups) groups do not divide the \(width) channels of one of the maps; set groups to a "
        + "divisor of channels."
    }
    if headChannels != nil, heads != 1 {
      return "The width of heads says how many there are: set heads=1 or head_channels=auto."
    }
    for width in attendingWidths(height) {
      if width % heads != 0 {
        return
          "\(heads) heads do not divide the \(width) channels of a map with attention; set heads to a "
          + "divisor, or channels to a multiple."
      }
      if let headChannels, headChannels < 1 || width % headChannels != 0 {
        return
          "Heads of \(headChannels) channels do not divide the \(width) channels of a map with "
          + "attention; set head_channels to a divisor, or channels to a multiple."
      }
    }
    let heights = (0..<multipliers.count).map { height >> $0 }
    for size in attention where !heights.contains(size) {
      return "Attention at height \(size) never happens: the maps have the heights \(heights); set "
        + "attention to some of these, or to []."
    }
    if !(0..<1).contains(dropout) { return "The dropout rate must lie in [0, 1)." }
    return defect(of: condition)
  }

  /// Why no network can be told what images show in this way.
  private func defect(of condition: ConditionKind) -> String? {
    switch condition {
    case .none: return nil
    case .classes(let count): return count < 1 ? "There must be at least one class." : nil
    case .text(let encoder):
      if let defect = encoder.defect { return defect }
    case .encodedText(let width):
      if width < 1 { return "A token's vector needs at least one channel." }
    }
    // Other products round a row otherwise when there are more rows: an image would depend on how
    // long the captions of the others are.
    guard channels % 16 == 0 else {
      return "A network that reads captions needs channels that are a multiple of 16, not "
        + "\(channels)."
    }
    return nil
  }

  /// The channels of the maps with attention, those of the middle last.
  private func attendingWidths(_ height: Int) -> [Int] {
    let widths = multipliers.map { channels * $0 }
    return widths.indices.filter { attention.contains(height >> $0) }.map { widths[$0] }
      + widths.suffix(1)
  }

  /// The channels of every map that is normalised, concatenated ones included.
  private var normalizedWidths: Set<Int> {
    let widths = multipliers.map { channels * $0 }
    var skips = [channels]
    for (resolution, width) in widths.enumerated() {
      skips += Array(repeating: width, count: blocks)
      if resolution < widths.count - 1 { skips.append(width) }
    }
    var normalized = Set(widths + [channels])
    var current = widths.last ?? channels
    for width in widths.reversed() {
      for _ in 0...blocks {
        normalized.insert(current + (skips.popLast() ?? 0))
        current = width
      }
    }
    return normalized
  }
}
