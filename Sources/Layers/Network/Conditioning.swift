// What the network is told beside noisy images.

/// What an image is said to show.
public enum Condition: Equatable, Sendable {
  /// Nothing is said.
  case none
  /// An image of a class, 0 … K − 1.
  case label(Int)
  /// What a caption says, in tokens, at least one.
  case tokens([Int])
  /// What a caption says, as another model has encoded it.
  case encoded(EncodedText)
}

/// What the network is told beside noisy images: their timesteps, and what they are said to show.
public struct Conditioning: Sendable {
  /// The timestep of each image, 0 … T − 1, or between two of them.
  public let times: [Double]
  /// What each image is said to show; empty: nothing of any.
  public let conditions: [Condition]

  /// The timesteps of some images, and what they are said to show.
  ///
  /// - Parameter conditions: One for each image, or none.
  public init(times: [Double], conditions: [Condition] = []) {
    precondition(
      conditions.isEmpty || conditions.count == times.count,
      "Each image needs its condition, or none has one.")
    (self.times, self.conditions) = (times, conditions)
  }
}

/// What the images of a network can be said to show: the layers that it has for it.
public enum ConditionKind: Equatable, Sendable {
  /// Nothing: the network has no such layers.
  case none
  /// So many classes.
  case classes(Int)
  /// Captions, that an encoder reads which learns beside the network.
  case text(TextEncoderConfiguration)
  /// Captions that another model has encoded, with so many channels of each token.
  case encodedText(width: Int)
}
