// The one checker that every differentiable operation passes: its backward pass against central
// differences of its forward pass.

import Layers
import Tensors
import Testing

/// Random scalars for tests: standard normals of the stream (seed, index).
public func normals(_ count: Int, seed: UInt64 = 1, index: Int = 0, scale: Float = 1) -> [Float] {
  var scalars = [Float](repeating: 0, count: count)
  scalars.withUnsafeMutableBufferPointer {
    RandomStream(seed: seed, purpose: .noise, shard: index).fillNormal($0)
  }
  return scalars.map { $0 * scale }
}

/// Compares the gradients of inputs and parameters with central differences.
///
/// The loss is Σ r y with fixed random r, summed in Double. Every scalar of inputs and parameters
/// is checked, or 60 of each where there are more, spread evenly. The inputs' gradients must have
/// the same bits where those of the parameters are not computed.
///
/// - Parameters:
///   - shapes: The extents of the inputs.
///   - parameterCount: The number of parameters.
///   - step: The half-width h of the difference; the error is of order h² + 1e-7/h.
///   - tolerance: The allowed difference, relative to the largest gradient of its array.
///   - dropoutStreams: The dropout streams of the pass, one an image.
///   - network: The operation: inputs → output.
public func checkGradient(
  shapes: [Shape], parameterCount: Int = 0, step: Float = 1 / 64, tolerance: Double = 1e-2,
  dropoutStreams: [RandomStream] = [], sourceLocation: SourceLocation = #_sourceLocation,
  _ network: (_ inputs: [Variable], _ pass: Pass) -> Variable
) {
  let pool = BufferPool()
  var inputs = shapes.enumerated().map { normals($0.element.count, index: $0.offset) }
  var weights = normals(max(parameterCount, 1), index: 100, scale: 0.5)
  var gradient = [Float](repeating: .nan, count: weights.count)

  func run(inputs backward: Bool, parameters: Bool) -> (loss: Double, inputGradients: [[Float]]) {
    gradient.withUnsafeMutableBufferPointer { gradient in
      weights.withUnsafeBufferPointer { weights in
        let pass = Pass(
          pool: pool, weights: weights.baseAddress!,
          gradient: parameters ? gradient.baseAddress! : nil, dropoutStreams: dropoutStreams)
        let variables = zip(shapes, inputs).map { shape, scalars in
          let tensor = Tensor(shape, scalars, in: pool)
          return backward ? Variable.input(tensor) : Variable(tensor)
        }
        let y = network(variables, pass)
        let r = normals(y.shape.count, index: 200)
        let loss = pass.loss(of: y) { gradients in
          for dy in gradients { _ = dy.scalars.update(from: r) }
          return zip(y.value.scalars, r).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
        }
        guard backward else { return (loss, []) }
        pass.backward()
        return (loss, variables.map { Array($0.gradient!.scalars) })
      }
    }
  }

  let inputGradients = run(inputs: true, parameters: true).inputGradients
  let parameterGradient = gradient
  #expect(
    run(inputs: true, parameters: false).inputGradients == inputGradients,
    "The inputs' gradients depend on whether the parameters' are computed.",
    sourceLocation: sourceLocation)
  func loss() -> Double { run(inputs: false, parameters: false).loss }

  func compare(_ analytic: [Float], _ name: String, _ shift: (Int, Float) -> Void) {
    let scale = analytic.reduce(1e-3) { max($0, Double(abs($1))) }
    let stride = max(1, analytic.count / 60)
    for i in Swift.stride(from: 0, to: analytic.count, by: stride) {
      shift(i, step)
      let above = loss()
      shift(i, -2 * step)
      let below = loss()
      shift(i, step)
      let numeric = (above - below) / (2 * Double(step))
      #expect(
        abs(numeric - Double(analytic[i])) <= tolerance * scale,
        "\(name)[\(i)]: \(analytic[i]) by the tape, \(numeric) by differences",
        sourceLocation: sourceLocation)
    }
  }
  for index in shapes.indices {
    compare(inputGradients[index], "input \(index)") { inputs[index][$0] += $1 }
  }
  if parameterCount > 0 { compare(parameterGradient, "parameters") { weights[$0] += $1 } }
}
