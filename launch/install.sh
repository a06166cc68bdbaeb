#!/usr/bin/env bash
# Builds and installs ddpm-dist and ddpm-sample, with manual pages, completions and module files.
#
#   launch/install.sh --prefix /opt/ddpm-dist                                for this machine's CPU
#   launch/install.sh --prefix /opt/ddpm-dist --march x86-64-v3,x86-64-v4    for a cluster of several kinds
#   launch/install.sh --prefix /opt/ddpm-dist --uninstall
#
# --march takes x86-64-v3 (AVX2), x86-64-v4 (AVX-512), cooperlake (AVX-512 with bfloat16, as Zen 4 has it
# too) and native, each a build of some minutes; what is installed chooses the one that fits the CPU.
# DESTDIR, if set, goes before the prefix. Nodes need neither Swift nor this folder, but the libraries that
# launch/setup.sh installs. Exit codes: 64 wrong arguments, 66 nothing to uninstall, 69 something to build
# with is missing, 73 a file of somebody else is in the way.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

kinds=native
prefix=""
uninstall=false
while (($# > 0)); do
  case $1 in
    --prefix | --march)
      if (($# < 2)); then
        echo "install.sh: $1 needs a value; see the first lines of this script." >&2
        exit 64
      fi
      if [[ $1 == --prefix ]]; then prefix=$2; else kinds=$2; fi
      shift
      ;;
    --prefix=*) prefix=${1#--prefix=} ;;
    --march=*) kinds=${1#--march=} ;;
    --uninstall) uninstall=true ;;
    --help | -h)
      sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *)
      echo "install.sh: \"$1\" is no option; see the first lines of this script." >&2
      exit 64
      ;;
  esac
  shift
done
place() {
  DDPM_SCRIPT_NAME=install.sh "$here/place.sh" --prefix "$prefix" "$@"
}
if $uninstall; then
  place --uninstall
  exit 0
fi
# What is wrong with the prefix is said before the build.
place --check
"$here/setup.sh"
tree=$here/../.build/install/tree
rm -rf "$tree"
"$here/stage.sh" "$tree" --march "$kinds"
place --tree "$tree"
