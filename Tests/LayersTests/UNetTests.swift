// The UNet against the tensor table of Ho's network and against recorded PyTorch values.

import Dispatch
import Foundation
import HDF5
import Layers
import Synchronization
import Tensors
import TestSupport
import Testing

@Suite struct UNetTests {
  /// Names, shapes and order of all 328 tensors of the CIFAR-10 network.
  @Test func tensorTable() throws {
    let layout = UNet(UNetConfiguration(), images: cifar10).parameters.layout
    #expect(layout.count == 35_746_307)
    let table = try String(contentsOf: fixture("cifar10-tensors.txt"), encoding: .utf8)
      .split(separator: "\n").map(String.init)
    #expect(table.count == 328)
    let lines = layout.entries.map { entry in
      ([entry.name] + entry.shape.map(String.init)).joined(separator: " ")
    }
    #expect(lines == table)
  }

  /// Weights decay; biases, scales and shifts do not.
  @Test func whatDecays() {
    let parameters = UNet(UNetConfiguration(), images: cifar10).parameters
    let weights = parameters.layout.entries.filter { $0.name.hasSuffix("/W") }
    #expect(parameters.decaying == weights.map(\.range))
    var registry = ParameterRegistry()
    _ = registry.add("table", [10, 4], .constant(0), decays: false)
    let scale = registry.add("scale", [4], .constant(1), decays: true)
    #expect(registry.decaying == [scale.range])
  }

  /// Output, loss and every gradient of diffusers' `UNet2DModel`, recorded by `record_unet.py`.
  ///
  /// Each array agrees within 1e-4 of its largest scalar; so does each gradient with its tensor's.
  @Test(
    arguments: [
      "unet-8x8.h5", "unet-10x10.h5", "unet-16x16.h5", "unet-28x28.h5", "unet-classes.h5",
      "unet-adm.h5",
    ])
  func recordedPyTorchValues(_ name: String) throws {
    let root = try File.open(fixture(name).path).root()
    let config = try root.group("config")
    func integer(_ name: String) throws -> Int { try #require(try config.integer(name)) }
    var configuration = UNetConfiguration()
    let size = try integer("image_size")
    let images = ImageShape(height: size, width: size, channels: try integer("channels"))
    configuration.channels = try integer("base_channels")
    configuration.multipliers = try #require(try config.integers("multipliers"))
    configuration.blocks = try integer("blocks")
    configuration.attention = try #require(try config.integers("attention"))
    configuration.groups = try integer("groups")
    configuration.dropout = 0
    // The other files are older than these, and than classes.
    configuration.headChannels = try config.integer("head_channels").flatMap { $0 == 0 ? nil : $0 }
    configuration.residualResize = try config.integer("residual_resize") == 1
    configuration.scaleShift = try config.integer("scale_shift") == 1
    let classes = try config.integer("classes") ?? 0
    let network = UNet(
      configuration, images: images, condition: classes == 0 ? .none : .classes(classes))
    let layout = network.parameters.layout

    var weights = [Float](repeating: 0, count: layout.count)
    for entry in layout.entries {
      let dataset = try root.dataset("model/\(entry.name)")
      #expect(dataset.shape == entry.shape, "\(entry.name)")
      weights.replaceSubrange(entry.range, with: try dataset.values(as: Float.self))
    }
    let x = try root.dataset("x")
    let extents = x.shape
    let shape = Shape(extents[0], extents[1], extents[2], extents[3])
    let (noisy, target) = (
      try x.values(as: Float.self), try root.dataset("target").values(as: Float.self)
    )
    let times = try root.dataset("t").values(as: Int64.self).map { Double($0) }
    let conditions: [Condition] =
      classes == 0
      ? []
      : try root.dataset("labels").values(as: Int64.self).map {
        $0 == classes ? .none : .label(Int($0))
      }

    let pool = BufferPool()
    // What was there before is replaced: left or added to, it would show.
    var gradient = [Float](repeating: .nan, count: layout.count)
    let (output, loss, inputGradient) = gradient.withUnsafeMutableBufferPointer { gradient in
      weights.withUnsafeBufferPointer { weights in
        let pass = Pass(
          pool: pool, weights: weights.baseAddress!, gradient: gradient.baseAddress!)
        let input = Variable.input(Tensor(shape, noisy, in: pool))
        let y = network(input, Conditioning(times: times, conditions: conditions), pass)
        let output = Array(y.value.scalars)
        let loss = pass.meanSquaredError(y, Tensor(shape, target, in: pool))
        pass.backward()
        return (output, loss, input.gradient.map { Array($0.scalars) })
      }
    }
    try expectClose(output, root.dataset("output").values(), "output")
    let expectedLoss = try root.dataset("loss").values(as: Double.self)[0]
    #expect(abs(loss - expectedLoss) < 1e-4 * expectedLoss)
    try expectClose(
      #require(inputGradient), root.dataset("input_gradient").values(), "input gradient")
    for entry in layout.entries {
      let expected = try root.dataset("gradient/\(entry.name)").values(as: Float.self)
      // One bias for all keys moves all scores of a query alike, which softmax does not see: the
      // gradient is 0 but for rounding, and is measured by that of the query's bias.
      let reference = try root.dataset(
        "gradient/\(entry.name.replacing("/k/b", with: "/q/b"))"
      ).values(as: Float.self)
      try expectClose(
        Array(gradient[entry.range]), expected, entry.name, scale: largest(reference))
    }
  }

  /// Two resolutions, of 8×8 and 4×4 pixels, with attention at the lower one.
  private static var smallNetwork: UNet { smallNetwork() }

  private static func smallNetwork(_ condition: ConditionKind = .none) -> UNet {
    var configuration = UNetConfiguration()
    (configuration.channels, configuration.multipliers) = (16, [1, 2])
    (configuration.attention, configuration.groups) = ([4], 4)
    return UNet(
      configuration, images: ImageShape(height: 8, width: 8, channels: 1), condition: condition)
  }

  /// What the backward pass calls final is: no later operation adds to it.
  @Test(arguments: [.none, .classes(3)] as [ConditionKind])
  func gradientIsFinalFromTheTail(condition: ConditionKind) {
    let network = Self.smallNetwork(condition)
    let weights = normals(network.parameters.layout.count, scale: 0.1)
    let shape = Shape(1, 8, 8, 1)
    let (pool, count) = (BufferPool(), weights.count)
    var gradient = [Float](repeating: 0, count: count)
    // What each element was when it was first called final.
    var final: [Float] = []
    var reports: [Int] = []
    gradient.withUnsafeMutableBufferPointer { gradient in
      let pass = Pass(pool: pool, weights: weights, gradient: gradient.baseAddress!)
      let y = network(
        Variable(Tensor(shape, normals(shape.count), in: pool)), Conditioning(times: [3]), pass)
      pass.meanSquaredError(y, Tensor(shape, normals(shape.count, index: 1), in: pool))
      pass.backward { offset in
        reports.append(offset)
        if count - offset > final.count {
          final += gradient[offset..<count - final.count].reversed()
        }
      }
    }
    #expect(final.count == count && final.reversed().elementsEqual(gradient))
    #expect(reports == reports.sorted(by: >))
    // It is of use only if much is final early.
    #expect(reports.count { $0 < count / 2 } > reports.count / 4)
  }

  /// Output, loss and gradient have the same bits whoever helps.
  @Test func helpersChangeNothing() {
    let network = Self.smallNetwork
    let weights = normals(network.parameters.layout.count, scale: 0.1)
    let shape = Shape(24, 8, 8, 1)
    @Sendable func run(_ pool: BufferPool) -> [Float] {
      var gradient = [Float](repeating: .nan, count: weights.count)
      return gradient.withUnsafeMutableBufferPointer { gradient in
        let pass = Pass(
          pool: pool, weights: weights, gradient: gradient.baseAddress!,
          dropoutStreams: (0..<24).map { RandomStream(seed: 3, purpose: .dropout, position: $0) })
        let y = network(
          Variable(Tensor(shape, normals(shape.count), in: pool)),
          Conditioning(times: (0..<24).map(Double.init)),
          pass)
        let loss = pass.meanSquaredError(y, Tensor(shape, normals(shape.count, index: 1), in: pool))
        pass.backward()
        return Array(y.value.scalars) + [Float(loss)] + gradient
      }
    }
    let alone = run(BufferPool())
    let helpers = Helpers()
    let isDone = Atomic(false)
    DispatchQueue.concurrentPerform(iterations: 4) { thread in
      guard thread == 0 else {
        return helpers.help(while: { !isDone.load(ordering: .acquiring) })
      }
      var helped = Duration.zero
      for _ in 0..<5 {
        let pool = BufferPool(helpers: helpers)
        #expect(run(pool) == alone)
        helped += pool.helped
      }
      // Dispatch may have no other thread to give.
      #expect(helped > .zero || helpers.count == 0)
      isDone.store(true, ordering: .releasing)
    }
  }

  /// Without a tape the output has the same bits, and memory returns as the pass goes on.
  @Test func evaluationEqualsTraining() {
    let network = Self.smallNetwork
    let weights = normals(network.parameters.layout.count, scale: 0.1)
    var gradient = [Float](repeating: 0, count: weights.count)
    let shape = Shape(16, 8, 8, 1)
    var outputs: [[Float]] = []
    var bytes: [Int] = []
    for records in [false, true] {
      let pool = BufferPool()
      gradient.withUnsafeMutableBufferPointer { gradient in
        let pass = Pass(
          pool: pool, weights: weights, gradient: records ? gradient.baseAddress! : nil)
        let y = network(
          Variable(Tensor(shape, normals(shape.count), in: pool)),
          Conditioning(times: (0..<16).map(Double.init)),
          pass)
        outputs.append(Array(y.value.scalars))
        bytes.append(pool.allocatedBytes)
      }
    }
    #expect(outputs[0] == outputs[1])
    #expect(bytes[0] < bytes[1] * 3 / 4)
  }

  /// The gradient of the input: that of differences, and the same bits whether or not those of the
  /// parameters are computed beside it.
  @Test func inputGradient() {
    let network = Self.smallNetwork
    let count = network.parameters.layout.count
    checkGradient(
      shapes: [Shape(2, 8, 8, 1)], parameterCount: count, step: 1 / 256, tolerance: 2e-2
    ) { x, pass in
      network(x[0], Conditioning(times: [3, 7.25]), pass)
    }
  }

  /// An image's input gradient is the same whatever the other images are.
  @Test func inputGradientsAreEachImagesOwn() {
    let network = Self.smallNetwork
    let weights = normals(network.parameters.layout.count, scale: 0.1)
    let shape = Shape(8, 8, 8, 1)
    let (pool, directions) = (BufferPool(), normals(shape.count, index: 1))
    func gradient(_ scalars: [Float], _ times: [Double]) -> [Float] {
      weights.withUnsafeBufferPointer {
        let pass = Pass(pool: pool, weights: $0.baseAddress!)
        let x = Variable.input(Tensor(shape, scalars, in: pool))
        pass.loss(of: network(x, Conditioning(times: times), pass)) {
          _ = $0[0].scalars.update(from: directions)
        }
        pass.backward()
        return Array(x.gradient!.scalars)
      }
    }
    let (scalars, times) = (normals(shape.count), (0..<8).map { 1.5 * Double($0) })
    let together = gradient(scalars, times)
    for n in [0, 3, 7] {
      let own = n * 64..<(n + 1) * 64
      var (others, otherTimes) = (normals(shape.count, index: 2 + n), times.map { $0 + 1 })
      others.replaceSubrange(own, with: scalars[own])
      otherTimes[n] = times[n]
      let among = gradient(others, otherTimes)
      #expect(among[own] == together[own] && among != together)
    }
  }

  /// Without a buffer for the parameters' gradients, only what follows an input is recorded.
  @Test func onlyWhatIsWantedIsRecorded() {
    let network = Self.smallNetwork
    let weights = normals(network.parameters.layout.count, scale: 0.1)
    var gradient = [Float](repeating: 0, count: weights.count)
    let shape = Shape(8, 8, 8, 1)
    /// The operations that are carried back.
    func recorded(input: Bool, parameters: Bool) -> Int {
      gradient.withUnsafeMutableBufferPointer { gradient in
        let pool = BufferPool()
        let pass = Pass(
          pool: pool, weights: weights, gradient: parameters ? gradient.baseAddress! : nil)
        let x = Tensor(shape, normals(shape.count), in: pool)
        let y = network(
          input ? .input(x) : Variable(x), Conditioning(times: (0..<8).map(Double.init)), pass)
        pass.meanSquaredError(y, x)
        var count = 0
        pass.backward { _ in count += 1 }
        return count
      }
    }
    let all = recorded(input: true, parameters: true)
    #expect(recorded(input: false, parameters: true) == all)
    #expect(recorded(input: false, parameters: false) == 0)
    // Not the embedding of the timestep and its layer in each of the twelve blocks.
    #expect(recorded(input: true, parameters: false) == all - 4 - 12)
  }

  /// Initial weights: the zero layers nearly zero, scales one, the others within their limits.
  @Test func initialWeights() throws {
    let network = UNet(UNetConfiguration(), images: cifar10)
    let weights = network.parameters.initialWeights(seed: 1)
    #expect(weights == network.parameters.initialWeights(seed: 1))
    for entry in network.parameters.layout.entries {
      let scalars = weights[entry.range]
      let largest = scalars.reduce(0) { max($0, abs($1)) }
      switch entry.name.split(separator: "/").last {
      case "b", "beta": #expect(largest == 0, "\(entry.name)")
      case "gamma": #expect(scalars.allSatisfy { $0 == 1 }, "\(entry.name)")
      default:
        let k = entry.shape.dropLast(2).reduce(1, *)
        let fans = k * entry.shape.suffix(2).reduce(0, +)
        let isZero = ["conv2", "proj_out", "conv_out"].contains { entry.name.contains("\($0)/W") }
        let limit = Float((6 / Double(fans)).squareRoot()) * (isZero ? 1e-10 : 1)
        #expect(largest <= limit && largest > 0.95 * limit, "\(entry.name)")
      }
    }
    #expect(weights != network.parameters.initialWeights(seed: 2))
  }

  @Test func defectsAreNamed() {
    func defect(
      _ images: ImageShape = cifar10, _ change: (inout UNetConfiguration) -> Void
    ) -> String? {
      var configuration = UNetConfiguration()
      change(&configuration)
      return configuration.defect(of: images)
    }
    #expect(defect { _ in } == nil)
    #expect(defect(ImageShape(height: 28, width: 32, channels: 3)) { _ in } != nil)
    #expect(defect { $0.groups = 48 }?.contains("48 groups") == true)
    #expect(defect { $0.attention = [7] }?.contains("height 7") == true)
    #expect(defect { $0.heads = 3 }?.contains("3 heads") == true)
    #expect(defect { $0.headChannels = 64 } == nil)
    #expect(defect { ($0.headChannels, $0.heads) = (64, 2) }?.contains("heads=1") == true)
    #expect(
      defect { $0.headChannels = 96 }?.contains("do not divide the 256 channels of a map with")
        == true)
    // Maps without attention have no heads.
    #expect(defect { ($0.headChannels, $0.multipliers) = (256, [1, 2]) } == nil)
    #expect(
      defect {
        ($0.channels, $0.multipliers, $0.groups, $0.heads, $0.attention) = (20, [1, 2], 4, 8, [])
      } == nil)
    #expect(defect { ($0.headChannels, $0.attention) = (256, [32]) }?.contains("128") == true)
    #expect(defect { $0.multipliers = [] } != nil)
    #expect(defect { $0.dropout = 1 } != nil)
    // 128 + 48·… : a concatenated width that the groups do not divide, although they divide the
    // width at each resolution.
    #expect(defect { ($0.channels, $0.multipliers, $0.groups) = (8, [1, 3], 8) } == nil)
    #expect(defect { ($0.channels, $0.multipliers, $0.groups) = (8, [2, 3], 16) } != nil)
  }

  private func fixture(_ name: String) -> URL {
    Bundle.module.bundleURL.appending(path: "Fixtures/\(name)")
  }

  private func largest(_ values: [Float]) -> Float { values.reduce(0) { max($0, abs($1)) } }

  private func expectClose(
    _ values: [Float], _ expected: [Float], _ name: String, scale: Float? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    try #require(values.count == expected.count, sourceLocation: sourceLocation)
    let scale = scale ?? largest(expected)
    let worst = zip(values, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
    #expect(worst <= 1e-4 * scale, "\(name): \(worst) of \(scale)", sourceLocation: sourceLocation)
  }
}

/// The extents of CIFAR-10's images.
private let cifar10 = ImageShape(height: 32, width: 32, channels: 3)
