// swift-tools-version: 6.2
import PackageDescription

/// The modules' dependencies are the architecture: an arrow means "uses", and nothing points back.
let package = Package(
  name: "ddpm-dist",
  products: [
    .executable(name: "ddpm-dist", targets: ["ddpm-dist"]),
    .executable(name: "ddpm-sample", targets: ["ddpm-sample"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // System libraries: a module map and a header each.
    .systemLibrary(name: "CMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev"])]),
    .systemLibrary(name: "CHDF5", pkgConfig: "hdf5-serial", providers: [.apt(["libhdf5-dev"])]),
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),

    // The mathematics, the network and the files.
    .target(name: "Diffusion"),
    .target(name: "Tensors", dependencies: ["COpenBLAS"]),
    .target(name: "Layers", dependencies: ["Tensors"]),
    .target(name: "MPI", dependencies: ["CMPI"]),
    .target(name: "HDF5", dependencies: ["CHDF5"]),
    .target(
      name: "Storage", dependencies: ["HDF5", "Layers", "CPNG", "CZlib", "CXXHash"],
      exclude: ["Resources/README.md"], resources: [.embedInCode("Resources/digits.h5")]),
    .target(name: "Sampling", dependencies: ["Diffusion", "Tensors"]),
    .target(
      name: "Training",
      dependencies: [
        "Diffusion", "Tensors", "Layers", "MPI", "Storage", "Sampling",
        .product(name: "Yams", package: "Yams"),
        .product(name: "Logging", package: "swift-log"),
      ]),

    // The commands.
    .executableTarget(
      name: "ddpm-dist",
      dependencies: [
        "Training", "Storage",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(
      name: "ddpm-sample",
      dependencies: [
        "Training", "Storage",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // Tests.
    .target(
      name: "TestSupport", dependencies: ["Tensors", "Layers", "MPI"], path: "Tests/TestSupport"),
    .testTarget(
      name: "DiffusionTests", dependencies: ["Diffusion"], exclude: ["Fixtures/record.py"]),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors", "TestSupport"]),
    .testTarget(
      name: "LayersTests", dependencies: ["Layers", "HDF5", "TestSupport"],
      resources: [.copy("Fixtures")]),
    .testTarget(name: "MPITests", dependencies: ["MPI", "TestSupport"]),
    .testTarget(
      name: "HDF5Tests", dependencies: ["HDF5", "TestSupport"], resources: [.copy("Fixtures")]),
    .testTarget(
      name: "StorageTests", dependencies: ["Storage", "HDF5", "Layers", "TestSupport"],
      resources: [.copy("Fixtures")]),
    .testTarget(name: "SamplingTests", dependencies: ["Sampling", "TestSupport"]),
    .testTarget(
      name: "TrainingTests", dependencies: ["Training", "TestSupport"],
      resources: [.copy("Fixtures")]),
    .testTarget(name: "CommandTests", dependencies: ["HDF5", "Storage", "TestSupport"]),
  ],
  swiftLanguageModes: [.v6]
)
