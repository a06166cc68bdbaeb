#!/usr/bin/env bash
# Formats the Swift code in place, with the toolchain's own formatter.
#
#   launch/format.sh            formats
#   launch/format.sh --check    changes nothing; fails where something is to be formatted or
#                               mended (Swift by `swift format`, scripts by shellcheck if installed)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

swift_code=(Sources Tests Package.swift)
case ${1:-} in
  "") swift format format --in-place --parallel --recursive "${swift_code[@]}" ;;
  --check)
    failed=0
    swift format lint --strict --parallel --recursive "${swift_code[@]}" || failed=1
    if command -v shellcheck >/dev/null; then
      shellcheck launch/*.sh launch/*/*.sh launch/*.sbatch .ci/run || failed=1
    else
      echo "shellcheck is not installed: the scripts are not checked."
    fi
    exit "$failed"
    ;;
  *)
    echo "format.sh: \"$1\" is no option; see the first lines of this script." >&2
    exit 64
    ;;
esac
