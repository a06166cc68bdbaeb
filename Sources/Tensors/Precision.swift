// The numbers in which matrix products take their operands.

import CBFloat16

/// The format of the operands of convolutions' and attention's products; their sums, and everything
/// else, are float32 in either.
public enum Precision: String, CaseIterable, Sendable {
  /// IEEE 754's 32 bits, 24 of which are significant.
  case float32
  /// Their upper half, rounded to the nearest: 8 significant bits. CPUs with AVX-512 BF16 multiply
  /// twice as many pairs of them a cycle.
  case bfloat16

  /// Whether this binary multiplies such operands by instructions for them, not by several others.
  public var isNative: Bool { self == .float32 || CBFloat16_isNative() != 0 }

  /// What is to be said where it is not native.
  public var notice: String? {
    isNative
      ? nil
      : "This program has no instructions for \(rawValue) (AVX-512 BF16): products in it give the same, but take "
        + "several times as long as in float32. A program that is built on a CPU with them, for it "
        + "(DDPM_MARCH=native), has them."
  }
}
