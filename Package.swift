// swift-tools-version: 6.2
import Foundation
import PackageDescription

/// What `--version` says of the source; SwiftPM asks git.
let commit =
  Context.gitInformation.map {
    $0.currentCommit.prefix(9) + ($0.hasUncommittedChanges ? "+changes" : "")
  } ?? "unknown"

/// Libraries that are used where they are installed: what they read is refused without them.
let optionalLibraries: [Target] = [
  (name: "CTurboJPEG", file: "libturbojpeg", package: "libturbojpeg0-dev"),
  (name: "CTIFF", file: "libtiff-4", package: "libtiff-dev"),
].filter { isInstalled($0.file) }.map {
  .systemLibrary(name: $0.name, pkgConfig: $0.file, providers: [.apt([$0.package])])
}

/// Whether pkg-config knows a library.
///
/// launch/env.sh says it in DDPM_LIBRARIES, because SwiftPM remembers what a manifest has said as long
/// as the manifest and the environment stay; without that the usual folders are looked into.
func isInstalled(_ library: String) -> Bool {
  if let known = Context.environment["DDPM_LIBRARIES"] {
    return known.split(separator: " ").contains { $0 == library }
  }
  let files = FileManager.default
  let machine = (try? files.contentsOfDirectory(atPath: "/usr/lib")) ?? []
  var folders = (Context.environment["PKG_CONFIG_PATH"] ?? "").split(separator: ":").map(
    String.init)
  folders += machine.map { "/usr/lib/\($0)/pkgconfig" }
  folders += ["/usr/lib", "/usr/lib64", "/usr/share", "/usr/local/lib"].map { $0 + "/pkgconfig" }
  return folders.contains { files.fileExists(atPath: "\($0)/\(library).pc") }
}

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
    .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
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
    .systemLibrary(
      name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),
    .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    .systemLibrary(name: "CLinux"),
    .systemLibrary(name: "CBFloat16"),
  ] + optionalLibraries + [

    .target(
      name: "CCommit",
      cSettings: [
        .define("DDPM_COMMIT", to: "\"\(commit)\""),
        .define("DDPM_TARGET", to: "\"\(Context.environment["DDPM_MARCH"] ?? "native")\""),
      ]),

    // The rooms, from the ones that use nothing to the ones that use most.
    .target(name: "Diffusion"),
    .target(name: "Tensors", dependencies: ["CBFloat16", "COpenBLAS"]),
    .target(name: "Text"),
    .target(name: "Figures"),
    .target(name: "MPI", dependencies: ["CMPI"]),
    .target(name: "HDF5", dependencies: ["CHDF5", "CLinux"]),
    .target(name: "Layers", dependencies: ["Tensors"]),
    .target(name: "Sampling", dependencies: ["Diffusion", "Tensors"]),
    .target(name: "Models", dependencies: ["Diffusion", "Layers", "Sampling", "Tensors"]),
    .target(name: "Parallel", dependencies: ["MPI", "Tensors"]),
    .target(
      name: "Storage",
      dependencies: ["HDF5", "Tensors", "CPNG", "CZlib", "CArchive", "CXXHash", "CLinux"]
        + optionalLibraries.map { .target(name: $0.name) },
      exclude: [
        "Resources/README.md", "Resources/glyphs-license.txt", "Resources/make_glyphs.py",
      ],
      resources: [.embedInCode("Resources/digits.h5"), .embedInCode("Resources/glyphs.hex")]),
    .target(
      name: "Training",
      dependencies: [
        "CCommit", "Diffusion", "Figures", "HDF5", "Layers", "MPI", "Models", "Parallel",
        "Sampling", "Storage", "Tensors", "Text",
        .product(name: "Yams", package: "Yams"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    .target(
      name: "Benchmark",
      dependencies: [
        "MPI", "Models", "Parallel", "Storage", "Tensors", "Training",
        .product(name: "Logging", package: "swift-log"),
      ]),
    .target(
      name: "Preflight",
      dependencies: [
        "Benchmark", "HDF5", "MPI", "Models", "Parallel", "Storage", "Tensors", "Training",
        .product(name: "Logging", package: "swift-log"),
      ]),
    .target(
      name: "Reports",
      dependencies: [
        "Figures", "Storage", "Training",
        .product(name: "Mustache", package: "swift-mustache"),
      ],
      resources: [
        .embedInCode("Resources/report.mustache"), .embedInCode("Resources/table.mustache"),
        .embedInCode("Resources/report.css"), .embedInCode("Resources/report.js"),
      ]),

    .target(
      name: "Jobs",
      dependencies: [
        "Benchmark", "Storage", "Training",
        .product(name: "Yams", package: "Yams"),
      ]),

    // The commands parse and print.
    .executableTarget(
      name: "ddpm-dist",
      dependencies: [
        "Benchmark", "Diffusion", "Figures", "Jobs", "Layers", "MPI", "Models", "Parallel",
        "Preflight", "Reports", "Storage", "Tensors", "Training",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    .executableTarget(
      name: "ddpm-sample",
      dependencies: [
        "Diffusion", "MPI", "Models", "Parallel", "Sampling", "Storage", "Tensors", "Training",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),

    // Tests.
    .target(
      name: "TestSupport", dependencies: ["HDF5", "Layers", "MPI", "Storage", "Tensors"],
      path: "Tests/TestSupport"),
    .testTarget(
      name: "DiffusionTests", dependencies: ["Diffusion"],
      exclude: [
        "Fixtures/record.py", "Fixtures/record_learned.py", "Fixtures/record_variational.py",
      ]),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors", "TestSupport"]),
    .testTarget(name: "FiguresTests", dependencies: ["Figures"]),
    .testTarget(
      name: "ReportsTests", dependencies: ["Figures", "Reports", "Storage", "TestSupport"],
      resources: [.copy("Fixtures")]),
    .testTarget(name: "TextTests", dependencies: ["Text"], resources: [.copy("Fixtures")]),
    .testTarget(
      name: "LayersTests", dependencies: ["HDF5", "Layers", "Storage", "Tensors", "TestSupport"],
      resources: [.copy("Fixtures")]),
    .testTarget(name: "MPITests", dependencies: ["MPI", "TestSupport"]),
    .testTarget(
      name: "HDF5Tests", dependencies: ["HDF5", "TestSupport"], resources: [.copy("Fixtures")]),
    .testTarget(
      name: "StorageTests", dependencies: ["HDF5", "Storage", "Tensors", "TestSupport"],
      resources: [.copy("Fixtures")]),
    .testTarget(
      name: "SamplingTests", dependencies: ["Diffusion", "Sampling", "Tensors"],
      exclude: [
        "Fixtures/record_ddim.py", "Fixtures/record_flow.py", "Fixtures/record_samplers.py",
        "Fixtures/sampler_formulas.py",
      ]),
    .testTarget(
      name: "ParallelTests", dependencies: ["MPI", "Parallel", "Tensors", "TestSupport"],
      resources: [.copy("Fixtures")]),
    .testTarget(
      name: "ModelsTests",
      dependencies: [
        "Diffusion", "HDF5", "Layers", "Models", "Sampling", "Tensors", "TestSupport",
      ],
      resources: [.copy("Fixtures")]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Diffusion", "Layers", "MPI", "Models", "Parallel", "Sampling", "Storage", "Tensors",
        "TestSupport", "Training",
        .product(name: "Logging", package: "swift-log"),
      ], exclude: ["Fixtures/record_diffusers.py"],
      resources: [.copy("Fixtures/diffusers"), .copy("Fixtures/cifar10-diffusers.txt")]),
    .testTarget(name: "BenchmarkTests", dependencies: ["Benchmark"]),
    .testTarget(
      name: "JobsTests", dependencies: ["Benchmark", "Jobs", "Storage", "TestSupport", "Training"]),
    .testTarget(
      name: "PreflightTests",
      dependencies: [
        "Benchmark", "MPI", "Models", "Parallel", "Preflight", "Storage", "Tensors", "TestSupport",
        "Training",
      ]),
    .testTarget(
      name: "CommandTests", dependencies: ["HDF5", "Storage", "Tensors", "TestSupport"],
      exclude: ["Fixtures/record_hostile.py", "Fixtures/record_version_1.sh"],
      resources: [.copy("Fixtures/version-1"), .copy("Fixtures/hostile")]),
  ],
  swiftLanguageModes: [.v6]
)
