// The instructions of AVX-512 BF16, of which Swift knows none: one function each, on vectors as Swift
// passes them. A word is two bfloat16, the earlier one in its lower half.
#ifndef CBFLOAT16_H
#define CBFLOAT16_H

typedef float CBFloat16_Vector __attribute__((vector_size(64)));
typedef float CBFloat16_Half __attribute__((vector_size(32)));

#if defined(__AVX512BF16__) && defined(__AVX512BW__)
#include <immintrin.h>

// Whether the functions below are instructions of the target: a constant, by which Swift's optimizer
// chooses.
static inline int CBFloat16_isNative(void) { return 1; }

// sums + a₁ b₁ + a₀ b₀ for sixteen words.
static inline CBFloat16_Vector CBFloat16_multiplyAdd(CBFloat16_Vector sums, CBFloat16_Vector a,
                                                     CBFloat16_Vector b) {
  return _mm512_dpbf16_ps(sums, (__m512bh)a, (__m512bh)b);
}

// Sixteen numbers, rounded, in eight words.
static inline CBFloat16_Half CBFloat16_rounded(CBFloat16_Vector numbers) {
  return (CBFloat16_Half)_mm512_cvtneps_pbh(numbers);
}

// Sixteen words of a number of `low` and one of `high` each, rounded.
static inline CBFloat16_Vector CBFloat16_pairs(CBFloat16_Vector low, CBFloat16_Vector high) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
                                         23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return (CBFloat16_Vector)_mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

#else

static inline int CBFloat16_isNative(void) { return 0; }
static inline CBFloat16_Vector CBFloat16_multiplyAdd(CBFloat16_Vector sums, CBFloat16_Vector a,
                                                     CBFloat16_Vector b) {
  return sums;
}
static inline CBFloat16_Half CBFloat16_rounded(CBFloat16_Vector numbers) {
  return (CBFloat16_Half){0};
}
static inline CBFloat16_Vector CBFloat16_pairs(CBFloat16_Vector low, CBFloat16_Vector high) {
  return low;
}

#endif
#endif
