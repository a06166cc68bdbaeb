// What a text model is, read from the extents of its tensors.

/// The extents of CLIP's text model (Radford et al. 2021), and where its tensors are found.
public struct CLIPTextConfiguration: Equatable, Sendable {
  /// The number of tokens that there are.
  public let vocabulary: Int
  /// The channels of a token's vector.
  public let width: Int
  /// The number of blocks.
  public let layers: Int
  /// The heads of each attention.
  public let heads: Int
  /// The channels between the two linear layers of a block.
  public let hidden: Int
  /// The most tokens of a caption; 77 in CLIP.
  public let context: Int
  /// What the names of the tensors begin with.
  let prefix: String

  /// The most parameters of a model: 4 GiB of them.
  private static let mostParameters = 1 << 30

  /// The extents that tensors have, as Hugging Face names them; others beside them do not matter.
  ///
  /// - Parameters:
  ///   - shapes: The extents of each tensor of a file.
  ///   - heads: The heads of each attention; nil: one for 64 channels, as in all of OpenAI's models.
  /// - Throws: What is missing or does not fit.
  public init(shapes: [String: [Int]], heads: Int? = nil) throws(LayersError) {
    let prefixes = ["text_model.", ""]
    let table = "embeddings.token_embedding.weight"
    guard let prefix = prefixes.first(where: { shapes[$0 + table] != nil }) else {
      throw LayersError(
        "holds no tensor text_model.\(table): it is not a CLIP text model, or its tensors have other "
          + "names")
    }
    func extents(_ name: String, _ count: Int) throws(LayersError) -> [Int] {
      guard let shape = shapes[prefix + name] else {
        throw LayersError("holds no tensor \(prefix + name)")
      }
      guard shape.count == count, shape.allSatisfy({ $0 > 0 && $0 < 1 << 28 }) else {
        throw LayersError("holds \(prefix + name) with the extents \(shape), not with \(count)")
      }
      return shape
    }
    let (tokens, places) = (
      try extents(table, 2), try extents("embeddings.position_embedding.weight", 2)
    )
    let mlp = try extents("encoder.layers.0.mlp.fc1.weight", 2)
    (self.prefix, vocabulary, width) = (prefix, tokens[0], tokens[1])
    (context, hidden) = (places[0], mlp[0])
    var layers = 1
    while shapes["\(prefix)encoder.layers.\(layers).mlp.fc1.weight"] != nil { layers += 1 }
    self.layers = layers
    let blocks = prefix + "encoder.layers."
    for name in shapes.keys.sorted() where name.hasPrefix(blocks) {
      guard let layer = Int(name.dropFirst(blocks.count).prefix { $0 != "." }), layer < layers
      else {
        throw LayersError("holds \(name), but no \(blocks)\(layers).mlp.fc1.weight")
      }
    }
    guard heads != nil || width % 64 == 0 else {
      throw LayersError(
        "has tokens of \(width) channels, which 64 do not divide: the number of heads must be given"
      )
    }
    self.heads = heads ?? width / 64
    guard self.heads > 0, width % self.heads == 0 else {
      throw LayersError("has tokens of \(width) channels, which \(self.heads) heads do not divide")
    }
    var count = 0
    for tensor in tensors {
      let shape = try extents(tensor.name, tensor.extents.count)
      guard shape == tensor.extents else {
        throw LayersError(
          "holds \(prefix + tensor.name) with the extents \(shape), not \(tensor.extents)")
      }
      count += shape.reduce(1, *)
    }
    guard count <= Self.mostParameters else {
      throw LayersError("has more than \(Self.mostParameters) parameters, the most that are read")
    }
  }

  /// One tensor of the file and the one of ours that it becomes.
  struct FileTensor {
    /// Its name behind the prefix.
    let name: String
    /// Its extents in the file.
    let extents: [Int]
    /// The name of ours.
    let ours: String
    /// Whether it is a linear layer's (out, in), which ours is (in, out).
    let isTurned: Bool
  }

  /// All tensors, those of our layout in any order.
  var tensors: [FileTensor] {
    var tensors = [
      FileTensor(
        name: "embeddings.token_embedding.weight", extents: [vocabulary, width],
        ours: "text/token_embedding", isTurned: false),
      FileTensor(
        name: "embeddings.position_embedding.weight", extents: [context, width],
        ours: "text/position_embedding", isTurned: false),
    ]
    func normalization(_ name: String, _ ours: String) {
      for (theirs, part) in [("weight", "gamma"), ("bias", "beta")] {
        tensors.append(
          FileTensor(
            name: "\(name).\(theirs)", extents: [width], ours: "text/\(ours)/\(part)",
            isTurned: false))
      }
    }
    func linear(_ name: String, _ ours: String, outputs: Int, inputs: Int) {
      tensors.append(
        FileTensor(
          name: "\(name).weight", extents: [outputs, inputs], ours: "text/\(ours)/W",
          isTurned: true))
      tensors.append(
        FileTensor(
          name: "\(name).bias", extents: [outputs], ours: "text/\(ours)/b", isTurned: false))
    }
    for layer in 0..<layers {
      let (theirs, ours) = ("encoder.layers.\(layer)", "block_\(layer)")
      normalization("\(theirs).layer_norm1", "\(ours)/norm1")
      for letter in ["q", "k", "v"] {
        linear(
          "\(theirs).self_attn.\(letter)_proj", "\(ours)/\(letter)", outputs: width,
          inputs: width)
      }
      linear(
        "\(theirs).self_attn.out_proj", "\(ours)/proj_out", outputs: width, inputs: width)
      normalization("\(theirs).layer_norm2", "\(ours)/norm2")
      linear("\(theirs).mlp.fc1", "\(ours)/dense0", outputs: hidden, inputs: width)
      linear("\(theirs).mlp.fc2", "\(ours)/dense1", outputs: width, inputs: hidden)
    }
    normalization("final_layer_norm", "norm_out")
    return tensors
  }
}
