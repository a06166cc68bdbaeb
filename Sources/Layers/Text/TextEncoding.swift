// What a network reads of captions.

import Tensors

/// The captions of a batch as a network reads them: a vector for each token, and one for the whole.
public struct TextEncoding {
  /// The vectors of the tokens, (n, 1, s, width), padded to the longest caption.
  public let sequence: Variable
  /// The true length of each sequence, at least 1.
  public let lengths: [Int]
  /// What is added to the embedding of the timestep, (n, 1, 1, 4 channels).
  public let pooled: Variable

  /// The captions of a batch.
  public init(sequence: Variable, lengths: [Int], pooled: Variable) {
    precondition(
      sequence.shape.h == 1 && lengths.count == sequence.shape.n
        && lengths.allSatisfy { 1...sequence.shape.w ~= $0 } && pooled.shape.n == lengths.count,
      "Each caption has a sequence, its length, and a vector.")
    (self.sequence, self.lengths, self.pooled) = (sequence, lengths, pooled)
  }
}
