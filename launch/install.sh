#!/usr/bin/env bash
# Builds and installs ddpm-dist and ddpm-sample, with manual pages, completions and module files.
#
#   launch/install.sh --prefix /opt/ddpm-dist                                for this machine's CPU
#   launch/install.sh --prefix /opt/ddpm-dist --march x86-64-v3,x86-64-v4    for a cluster of several kinds
#   launch/install.sh --prefix /opt/ddpm-dist --uninstall
#
# --march takes x86-64-v3 (AVX2), x86-64-v4 (AVX-512) and native, each a build of some minutes; what is
# installed chooses the one that fits the CPU. DESTDIR, if set, goes before the prefix. Nodes need neither
# Swift nor this folder, but the libraries that launch/setup.sh installs. Exit codes: 64 wrong arguments,
# 66 nothing to uninstall, 69 something to build with is missing, 73 a file of somebody else is in the way.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

kinds=native
place=()
builds=true
while (($# > 0)); do
  case $1 in
    --march)
      if (($# < 2)); then
        echo "install.sh: --march needs kinds of CPU, as in x86-64-v3,x86-64-v4." >&2
        exit 64
      fi
      kinds=$2
      shift
      ;;
    --march=*) kinds=${1#--march=} ;;
    --uninstall | --help | -h) builds=false && place+=("$1") ;;
    *) place+=("$1") ;;
  esac
  shift
done
export DDPM_SCRIPT_NAME=install.sh
tree=$here/../.build/install/tree
if $builds; then
  # What is wrong with the prefix is said before the build.
  "$here/place.sh" --tree "$tree" --check "${place[@]}"
  "$here/setup.sh"
  rm -rf "$tree"
  "$here/stage.sh" "$tree" --march "$kinds"
fi
"$here/place.sh" --tree "$tree" "${place[@]}"
