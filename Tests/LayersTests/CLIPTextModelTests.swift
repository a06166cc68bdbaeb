// CLIP's text model against transformers' implementation, recorded by `record_text.py`.

import Foundation
import HDF5
import Layers
import Storage
import Tensors
import TestSupport
import Testing

@Suite struct CLIPTextModelTests {
  private func fixture(_ name: String) -> String {
    Bundle.module.bundleURL.appending(path: "Fixtures/\(name)").path
  }

  /// A whole model in float32, whose heads must be said; a text model in halves, whose heads follow.
  @Test(arguments: [("clip-whole", 2), ("clip-half", nil)])
  func recordedAnswers(_ name: String, _ heads: Int?) throws {
    let file = try Safetensors(path: fixture("\(name).safetensors"))
    let configuration = try CLIPTextConfiguration(shapes: file.shapes, heads: heads)
    let model = try CLIPTextModel(configuration) { name throws(StorageError) in
      try file.values(name)
    }
    let root = try File.open(fixture("\(name).h5")).root()
    let tokens = try root.dataset("tokens").values(as: Int64.self).map { Int($0) }
    let sequences = try root.dataset("sequences").values(as: Float.self)
    let summaries = try root.dataset("summaries").values(as: Float.self)
    let (context, width) = (configuration.context, configuration.width)
    #expect(try root.dataset("heads").values(as: Int64.self) == [Int64(configuration.heads)])
    #expect(tokens.count == 3 * context && summaries.count == 3 * width)
    let pool = BufferPool()
    for n in 0..<3 {
      let caption = Array(tokens[n * context..<(n + 1) * context].prefix { $0 >= 0 })
      let encoded = model(caption, in: pool)
      #expect(encoded.length == caption.count)
      let expected = sequences[n * context * width..<(n * context + caption.count) * width]
      let scale = expected.reduce(0) { max($0, abs($1)) }
      let worst = zip(encoded.sequence, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
      #expect(worst <= 1e-4 * scale)
      let summary = summaries[n * width..<(n + 1) * width]
      #expect(zip(encoded.summary, summary).allSatisfy { abs($0 - $1) <= 1e-4 * scale })
    }
    // What is read first does not change with what follows.
    let (short, long) = (model([1, 2], in: pool), model([1, 2, 3, 4], in: pool))
    #expect(
      zip(short.sequence, long.sequence).allSatisfy { abs($0 - $1) < 1e-5 })
    #expect(short.summary != long.summary)
  }

  @Test func whatIsNoModelIsRefused() throws {
    let shapes = try Safetensors(path: fixture("clip-whole.safetensors")).shapes
    func refusal(heads: Int? = 2, _ change: (inout [String: [Int]]) -> Void) -> String? {
      var shapes = shapes
      change(&shapes)
      do throws(LayersError) {
        _ = try CLIPTextConfiguration(shapes: shapes, heads: heads)
        return nil
      } catch {
        return error.description
      }
    }
    #expect(refusal { _ in } == nil)
    #expect(refusal { $0 = [:] }?.contains("not a CLIP text model") == true)
    #expect(refusal(heads: nil) { _ in }?.contains("the number of heads must be given") == true)
    #expect(refusal(heads: 3) { _ in }?.contains("3 heads do not divide") == true)
    let query = "text_model.encoder.layers.1.self_attn.q_proj.weight"
    #expect(refusal { $0[query] = nil }?.contains("holds no tensor \(query)") == true)
    #expect(refusal { $0[query] = [32, 16] }?.contains("the extents [32, 16]") == true)
    #expect(refusal { $0[query] = [32] }?.contains("the extents [32]") == true)
    let table = "text_model.embeddings.token_embedding.weight"
    #expect(refusal { $0[table] = [1 << 40, 32] }?.contains("the extents") == true)
    #expect(refusal { $0[table] = [1 << 27, 32] }?.contains("more than") == true)
    // What does not belong to the text model does not matter.
    #expect(refusal { $0["vision_model.anything"] = [-1] } == nil)
  }
}
