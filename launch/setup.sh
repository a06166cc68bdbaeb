#!/usr/bin/env bash
# Installs the Debian packages that the build needs and checks that Swift is new enough.
#
#   launch/setup.sh            for building and running
#   launch/setup.sh --pictures for reading JPEG and TIFF files too
#   launch/setup.sh --tests    for the tests too (a Python that can make a virtual environment, and
#                              what launch/hosts.sh makes hosts with, and strace)
#
# Does nothing where everything is there. Where it may not install (no apt-get, not root and no
# sudo), it says what to install and stops with exit code 69; so it does where what is there cannot be
# used, such as MPICH.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/libraries.sh"

swift_needed="6.2"

# What is missing? The build asks pkg-config, so this does too: it holds on any distribution.
missing=()
need() { # need PACKAGE COMMAND…: PACKAGE is missing where COMMAND fails
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}
need pkg-config command -v pkg-config
ddpm_find_libraries "$here/../.build/pkgconfig"
need libopenmpi-dev pkg-config --exists ompi-c
need openmpi-bin command -v mpirun
need libhdf5-dev pkg-config --exists hdf5-serial
need libopenblas-dev pkg-config --exists openblas
need libpng-dev pkg-config --exists libpng
need zlib1g-dev pkg-config --exists zlib
need libarchive-dev pkg-config --exists libarchive
need libxxhash-dev pkg-config --exists libxxhash
if [[ ${1:-} == --tests || ${1:-} == --pictures ]]; then
  need libturbojpeg0-dev pkg-config --exists libturbojpeg
  need libtiff-dev pkg-config --exists libtiff-4
fi
if [[ ${1:-} == --tests ]]; then
  need python3-venv python3 -c 'import venv, ensurepip'
  # For the tests on hosts and of faults, which others than root skip where these are missing.
  if ((EUID == 0)); then
    need iproute2 command -v tc
    need strace command -v strace
  fi
elif (($# > 0)) && [[ $1 != --pictures ]]; then
  echo "setup.sh: \"$1\" is no option; see the first lines of this script." >&2
  exit 64
fi

if ((${#missing[@]} > 0)); then
  install=(apt-get install --yes --no-install-recommends "${missing[@]}")
  as_root=()
  if ((EUID != 0)); then
    as_root=(sudo)
    [[ -t 0 ]] || as_root+=(--non-interactive)
  fi
  if ! command -v apt-get >/dev/null || ! command -v "${as_root[0]:-true}" >/dev/null; then
    echo "Please install what these Debian packages hold, then start again: ${missing[*]}" >&2
    ((${#ddpm_library_faults[@]} == 0)) || printf '%s\n' "${ddpm_library_faults[@]}" >&2
    exit 69
  fi
  echo "Installing: ${missing[*]}"
  if ! { "${as_root[@]}" apt-get update -qq &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${install[@]}"; } </dev/null; then
    echo "The installation failed. Please run this by hand, then start again:" >&2
    echo "  sudo ${install[*]}" >&2
    exit 69
  fi
  ddpm_find_libraries "$here/../.build/pkgconfig"
fi

# What is there and of a kind that cannot be used.
if ((${#ddpm_library_faults[@]} > 0)); then
  printf '%s\n' "${ddpm_library_faults[@]}" >&2
  exit 69
fi

# Swift, from the toolchain's own words: "Swift version 6.3.1 (swift-6.3.1-RELEASE)".
if ! command -v swift >/dev/null; then
  echo "Swift is not on the PATH: install version $swift_needed or newer" \
    "as https://www.swift.org/install/linux says, then start again." >&2
  exit 69
fi
swift_found=$(swift --version 2>/dev/null |
  sed -nE 's/.*Swift version ([0-9]+(\.[0-9]+)*).*/\1/p') || swift_found=""
if [[ $(printf '%s\n' "$swift_needed" "${swift_found:-0}" | sort -V | head -n 1) != "$swift_needed" ]]
then
  echo "Swift ${swift_found:-of an unknown version} is too old: install version $swift_needed" \
    "or newer as https://www.swift.org/install/linux says, then start again." >&2
  exit 69
fi
