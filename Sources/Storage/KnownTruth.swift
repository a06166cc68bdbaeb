// What a dataset knows of the distribution that its images were drawn from.

import HDF5

/// What a dataset knows of the distribution that its images were drawn from.
///
/// Nats are of a whole image on the scale −1 … 1: of a density where pixels are continuous, of a
/// probability where they are grey levels. A bound on the likelihood approaches
/// `negativeLogLikelihood` on these images, and `entropy` on many others of the distribution.
public struct KnownTruth: Equatable, Sendable {
  /// The name of the distribution, as `gaussian`, if the file says it.
  public let distribution: String?
  /// −E log p(x_0) over the distribution, in nats, if the file has it.
  public let entropy: Double?
  /// The mean of −log p(x_0) over the images of the file, in nats, if the file has it.
  public let negativeLogLikelihood: Double?

  /// What is known of images that were drawn.
  public init(distribution: String, entropy: Double?, negativeLogLikelihood: Double) {
    self.distribution = distribution
    self.entropy = entropy
    self.negativeLogLikelihood = negativeLogLikelihood
  }

  private static let names = (
    distribution: "distribution", entropy: "entropy_nats", negativeLogLikelihood: "true_nll_nats"
  )

  /// Reads the attributes of the images' group; nil where it has none of them.
  ///
  /// - Throws: `.refused` for another type, and for what is not finite.
  init?(_ group: borrowing Group) throws(HDF5Error) {
    func nats(_ name: String) throws(HDF5Error) -> Double? {
      guard let value = try group.double(name) else { return nil }
      guard value.isFinite else {
        throw .refused(
          place: group.place, reason: "the attribute \(name) is \(value); nats are finite")
      }
      return value
    }
    distribution = try group.string(Self.names.distribution)
    entropy = try nats(Self.names.entropy)
    negativeLogLikelihood = try nats(Self.names.negativeLogLikelihood)
    if distribution == nil && entropy == nil && negativeLogLikelihood == nil { return nil }
  }

  /// Writes the attributes that are read, and `distribution_NAME` for each parameter.
  func write(
    to group: borrowing Group, parameters: [(name: String, values: [Double])]
  ) throws(HDF5Error) {
    if let distribution {
      try group.setAttribute(Self.names.distribution, .string(distribution))
    }
    for (name, values) in parameters {
      let value = values.count == 1 ? AttributeValue.double(values[0]) : .doubles(values)
      try group.setAttribute("\(Self.names.distribution)_\(name)", value)
    }
    if let entropy { try group.setAttribute(Self.names.entropy, .double(entropy)) }
    if let negativeLogLikelihood {
      try group.setAttribute(Self.names.negativeLogLikelihood, .double(negativeLogLikelihood))
    }
  }
}
