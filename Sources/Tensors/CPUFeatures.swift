// What the CPU must be able to do, as fixed at compile time.

import COpenBLAS

/// The instruction sets that this binary was compiled for.
public enum CPUFeatures {
  /// Their names, as /proc/cpuinfo writes them; empty for the architecture's baseline.
  public static let compiled: [String] = {
    let all = ["avx", "avx2", "fma", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_bf16"]
    let mask = COpenBLAS_compiled_features()
    return all.indices.filter { mask >> $0 & 1 == 1 }.map { all[$0] }
  }()
}
