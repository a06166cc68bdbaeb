#include <cblas.h>

// LAPACK's solver of A X = B (netlib.org/lapack, dgesv), column-major: the library holds it, but
// OpenBLAS installs no header that declares it.
void dgesv_(const blasint *n, const blasint *nrhs, double *a, const blasint *lda, blasint *ipiv,
            double *b, const blasint *ldb, blasint *info);

// Swift has no conditions on the target's instruction sets; the C compiler's macros tell them, in
// the order of CPUFeatures.swift.
static inline unsigned COpenBLAS_compiled_features(void) {
  unsigned features = 0;
#ifdef __AVX__
  features |= 1u << 0;
#endif
#ifdef __AVX2__
  features |= 1u << 1;
#endif
#ifdef __FMA__
  features |= 1u << 2;
#endif
#ifdef __AVX512F__
  features |= 1u << 3;
#endif
#ifdef __AVX512BW__
  features |= 1u << 4;
#endif
#ifdef __AVX512DQ__
  features |= 1u << 5;
#endif
#ifdef __AVX512VL__
  features |= 1u << 6;
#endif
#ifdef __AVX512BF16__
  features |= 1u << 7;
#endif
  return features;
}

// Whether a fused multiplication and addition is an instruction of the target, and no call of the
// C library: a constant, by which Swift's optimizer chooses.
static inline int COpenBLAS_has_fma(void) {
#if defined(__FMA__) || defined(__aarch64__)
  return 1;
#else
  return 0;
#endif
}

// Whether the target has the 32 registers of sixteen numbers of AVX-512: a constant, likewise.
static inline int COpenBLAS_has_avx512(void) {
#ifdef __AVX512F__
  return 1;
#else
  return 0;
#endif
}
