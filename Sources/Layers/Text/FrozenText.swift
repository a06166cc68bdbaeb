// Captions that another model has encoded before.

import Tensors

/// A caption as an encoder that does not learn has left it.
public struct EncodedText: Equatable, Sendable {
  /// The vectors of the tokens, (length, width), at least one.
  public let sequence: [Float]
  /// A vector of the whole, (width).
  public let summary: [Float]

  /// The number of tokens.
  public var length: Int { sequence.count / summary.count }

  /// A caption of some tokens.
  public init(sequence: [Float], summary: [Float]) {
    precondition(
      !sequence.isEmpty && !summary.isEmpty && sequence.count % summary.count == 0,
      "A caption has vectors of one width.")
    (self.sequence, self.summary) = (sequence, summary)
  }
}

/// What a network has for captions that are encoded already.
struct FrozenText: Sendable {
  let width: Int
  private let head: TextHead

  /// Registers `text/…`.
  ///
  /// - Parameters:
  ///   - width: The channels of a token's vector.
  ///   - outputs: The channels of the vector of a caption.
  init(_ registry: inout ParameterRegistry, width: Int, outputs: Int) {
    self.width = width
    head = TextHead("text", &registry, width: width, outputs: outputs)
  }

  /// The captions of a batch; nil: no caption.
  func callAsFunction(_ captions: [EncodedText?], _ pass: Pass) -> TextEncoding {
    precondition(
      captions.allSatisfy { $0 == nil || $0?.summary.count == width },
      "The vectors of a caption have \(width) channels.")
    let lengths = captions.map { $0?.length ?? 0 }
    let sequence = Tensor(
      Shape(captions.count, 1, max(1, lengths.max() ?? 0), width), in: pass.pool)
    let summary = Tensor(Shape(captions.count, 1, 1, width), in: pass.pool)
    sequence.scalars.update(repeating: 0)
    summary.scalars.update(repeating: 0)
    for (n, caption) in captions.enumerated() {
      guard let caption else { continue }
      _ = sequence.image(n).update(fromContentsOf: caption.sequence)
      _ = summary.image(n).update(fromContentsOf: caption.summary)
    }
    return head(Variable(sequence), lengths: lengths, summary: Variable(summary), pass)
  }
}
