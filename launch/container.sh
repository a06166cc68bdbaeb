#!/usr/bin/env bash
# Makes the file system of a container: launch/apptainer.def and launch/Dockerfile call it.
#
#   launch/container.sh build                  in a Debian with Swift: packs the programs for containers
#   launch/container.sh install BUNDLE.tar.gz  in an empty Debian, as root: Open MPI and the programs
#
# The programs go to /usr/local, for CPUs with AVX2 and with AVX-512. Exit code 69 where something is
# missing.
set -euo pipefail

case ${1:-} in
  build)
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
    "$here/setup.sh" --pictures
    apt-get install --yes --no-install-recommends libaec-dev python3-minimal
    "$here/bundle.sh" --binary
    ;;
  install)
    if [[ ! -r ${2:-} ]]; then
      echo "container.sh: the bundle \"${2:-}\" cannot be read; launch/bundle.sh --binary makes one." >&2
      exit 66
    fi
    if ! command -v apt-get >/dev/null; then
      echo "container.sh: this is no Debian: there is no apt-get." >&2
      exit 69
    fi
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    apt-get update -qq
    # ssh starts ranks on other nodes where no batch system does.
    DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends \
      openmpi-bin openssh-client
    rm -rf /var/lib/apt/lists/*
    tar --extract --file="$2" --directory="$folder" --strip-components=1
    "$folder/install.sh" --prefix /usr/local
    ddpm-dist --version >/dev/null
    ;;
  *)
    echo "Usage: launch/container.sh build | install BUNDLE.tar.gz" >&2
    exit 64
    ;;
esac
