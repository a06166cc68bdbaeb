#!/usr/bin/env bash
# Builds ddpm-dist and ddpm-sample for release, and prints where they are.
#
#   launch/build.sh                         for the CPU of this machine
#   DDPM_MARCH=x86-64-v3 launch/build.sh    for every x86 CPU with AVX2 (a cluster of several kinds)
#   launch/build.sh --tests                 the tests too
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

if ((${#ddpm_library_faults[@]} > 0)); then
  printf '%s\n' "${ddpm_library_faults[@]}" >&2
  exit 69
fi
case ${1:-} in
  "") swift build "${ddpm_swift_flags[@]}" ;;
  --tests) swift build "${ddpm_swift_flags[@]}" --build-tests ;;
  *)
    echo "build.sh: \"$1\" is no option; see the first lines of this script." >&2
    exit 64
    ;;
esac

echo "Built for ${DDPM_MARCH:-native}:"
echo "  $ddpm_bin/ddpm-dist"
echo "  $ddpm_bin/ddpm-sample"
