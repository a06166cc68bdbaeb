// What a network has for captions, wherever these are encoded.

import Tensors

/// The way from the captions of a batch to what the network reads of them.
enum CaptionReader: Sendable {
  /// An encoder that learns beside the network.
  case encoder(TextEncoder)
  /// Captions that another model has encoded.
  case frozen(FrozenText)

  /// Registers `text/…`; nil where a network is not told captions.
  ///
  /// - Parameter outputs: The channels of the vector of a caption.
  init?(_ condition: ConditionKind, _ registry: inout ParameterRegistry, outputs: Int) {
    switch condition {
    case .none, .classes: return nil
    case .text(let configuration):
      self = .encoder(TextEncoder(&registry, configuration, outputs: outputs))
    case .encodedText(let width):
      self = .frozen(FrozenText(&registry, width: width, outputs: outputs))
    }
  }

  /// The channels of a token's vector.
  var width: Int {
    switch self {
    case .encoder(let encoder): encoder.configuration.width
    case .frozen(let frozen): frozen.width
    }
  }

  /// The captions of a batch.
  func callAsFunction(_ conditioning: Conditioning, _ pass: Pass) -> TextEncoding {
    let conditions = conditioning.times.indices.map {
      conditioning.conditions.isEmpty ? .none : conditioning.conditions[$0]
    }
    switch self {
    case .encoder(let encoder):
      return encoder(
        conditions.map { condition in
          switch condition {
          case .none: nil
          case .tokens(let tokens): tokens
          case .label, .encoded: preconditionFailure("This network is told captions, in tokens.")
          }
        }, pass)
    case .frozen(let frozen):
      return frozen(
        conditions.map { condition in
          switch condition {
          case .none: nil
          case .encoded(let text): text
          case .label, .tokens: preconditionFailure("This network is told encoded captions.")
          }
        }, pass)
    }
  }
}
