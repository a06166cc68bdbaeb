// Drawn datasets: their moments, what they know of themselves, and that images have no neighbours.

import Diffusion
import Foundation
import Storage
import TestSupport
import Testing
import Training

@Suite struct DrawnDatasetTests {
  let folder = try! TemporaryFolder()

  private func draw(
    _ distribution: some KnownDistribution, count: Int = 2000, seed: UInt64 = 1,
    to name: String = "a.h5"
  ) throws -> (dataset: ImageDataset, images: [[Double]]) {
    let path = folder.file(name)
    let summary = try DrawnDataset.write(
      distribution, count: count, seed: seed, origin: "a test", to: path)
    let dataset = try ImageDataset(path: path)
    #expect(summary.file.count == count && dataset.count == count)
    #expect(try dataset.verify() == summary.file.contentHash)
    #expect(dataset.truth == summary.truth)
    let reader = try ImageReader(dataset, range: 0..<count)
    let d = dataset.shape.count
    var values = [Float](repeating: .nan, count: count * d)
    try values.withUnsafeMutableBufferPointer {
      try reader.read(Array(0..<count), into: $0.baseAddress!)
    }
    return (dataset, (0..<count).map { values[$0 * d..<($0 + 1) * d].map { Double($0) } })
  }

  private func mean(_ numbers: [Double]) -> Double {
    numbers.reduce(0, +) / Double(numbers.count)
  }

  @Test func theTruthIsThatOfTheStoredImages() throws {
    let distributions: [any KnownDistribution] = [
      GaussianImages(side: 3, mean: 0.1, deviation: 0.1, correlation: 0.5),
      MixtureImages(side: 4, contrast: 0.5, deviation: 0.07, weights: [1, 2, 3, 4, 5]),
      CoinImages(side: 4, block: 2, probability: 0.3),
    ]
    for distribution in distributions {
      let (dataset, images) = try draw(distribution)
      let truth = try #require(dataset.truth)
      let nats = mean(images.map { -distribution.logProbability(of: $0) })
      #expect(abs(truth.negativeLogLikelihood! - nats) < 1e-9)
      #expect(truth.entropy == distribution.entropy)
      #expect(truth.distribution == type(of: distribution).name)
      #expect(dataset.levels == distribution.levels)
      #expect(dataset.classNames == distribution.classNames)
      #expect(dataset.origin == "a test")
    }
  }

  /// Mean, variance, correlations and likelihood within five standard errors.
  @Test func normalImagesHaveTheirMoments() throws {
    let (m, s, rho) = (0.1, 0.1, 0.6)
    let distribution = GaussianImages(side: 2, mean: m, deviation: s, correlation: rho)
    let (dataset, images) = try draw(distribution, count: 20_000)
    let error = 5 / 20_000.0.squareRoot()
    let centred = images.map { $0.map { ($0 - m) / s } }
    for i in 0..<4 {
      #expect(abs(mean(centred.map { $0[i] })) < error)
      for j in 0..<4 {
        let expected = pow(rho, Double(abs(i / 2 - j / 2) + abs(i % 2 - j % 2)))
        // The variance of a product of two normals: 1 + ρ².
        let tolerance = error * (1 + expected * expected).squareRoot()
        #expect(abs(mean(centred.map { $0[i] * $0[j] }) - expected) < tolerance)
      }
    }
    // −log p is half a χ² of four degrees of freedom and a constant: its variance is 2.
    let nats = dataset.truth!.negativeLogLikelihood!
    #expect(abs(nats - distribution.entropy!) < error * 2.0.squareRoot())
  }

  @Test func picturesComeAsOftenAsTheyWeigh() throws {
    let distribution = MixtureImages(
      side: 8, contrast: 0.5, deviation: 0.07, weights: [4, 3, 2, 1, 1])
    let (dataset, images) = try draw(distribution, count: 20_000)
    let labels = try #require(dataset.labels)
    var noise: [Double] = []
    for k in 0..<5 {
      let share = Double(labels.count { $0 == k }) / 20_000
      let w = distribution.weights[k]
      #expect(abs(share - w) < 5 * (w * (1 - w) / 20_000).squareRoot(), "\(k): \(share)")
    }
    for (image, label) in zip(images, labels) {
      noise += zip(image, distribution.pictures[label]).map { ($0 - $1) / 0.07 }
    }
    let error = 5 / Double(noise.count).squareRoot()
    #expect(abs(mean(noise)) < error)
    #expect(abs(mean(noise.map { $0 * $0 }) - 1) < error * 2.0.squareRoot())
  }

  @Test func coinsAreBiased() throws {
    let (dataset, images) = try draw(
      CoinImages(side: 8, block: 8, probability: 0.3), count: 20_000)
    let share = mean(images.map { $0[0] > 0 ? 1 : 0 })
    #expect(abs(share - 0.3) < 5 * (0.21 / 20_000).squareRoot())
    #expect(images.allSatisfy { image in image.allSatisfy { $0 == image[0] } })
    #expect(dataset.labels == images.map { $0[0] > 0 ? 1 : 0 })
    // With this share the mean of −log p has a closed form of its own.
    let nats = -share * log(0.3) - (1 - share) * log(0.7)
    #expect(abs(dataset.truth!.negativeLogLikelihood! - nats) < 1e-12)
    let squares = try draw(CoinImages(side: 8, block: 2, probability: 0.3), count: 2000).images
    // Sixteen coins, which do not show the same.
    #expect(Set(squares).count > 1500)
  }

  @Test func equalSeedsGiveEqualBytes() throws {
    let distribution = MixtureImages(side: 4, contrast: 0.5, deviation: 0.07)
    let long = try draw(distribution, count: 5000, to: "a.h5").images
    _ = try draw(distribution, count: 5000, to: "b.h5")
    #expect(try folder.bytes("a.h5") == folder.bytes("b.h5"))
    let other = try draw(distribution, count: 5000, seed: 2, to: "c.h5").images
    #expect(zip(long, other).allSatisfy { $0 != $1 })
    // An image is a function of the seed and its number.
    #expect(try draw(distribution, count: 100).images == Array(long.prefix(100)))
    #expect(Set(long).count == 5000)
  }

  @Test func aPixelBeyondTheRangeLeavesNoFile() throws {
    let error = #expect(throws: StorageError.self) {
      try draw(GaussianImages(side: 8, mean: 0, deviation: 1))
    }
    #expect(error?.reason.contains("outside its range -1.0 … 1.0") == true, "\(error!)")
    #expect(try folder.names().isEmpty)
  }
}
