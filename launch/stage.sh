#!/usr/bin/env bash
# Builds the tree of files that is installed: the programs for each kind of CPU, the wrapper that chooses,
# configurations, launch scripts, documentation, manual pages, completions and module files.
#
#   launch/stage.sh FOLDER [--march x86-64-v3,x86-64-v4] [-- flags for swift build …]
#
# FOLDER must not be there, or be empty. Swift's runtime is linked into the programs: nodes need no Swift.
# Manual pages and completions are what a built program tells about itself, so one of the builds must run
# on this machine; Python 3 writes the pages.
set -euo pipefail

tree=""
kinds=native
while (($# > 0)); do
  case $1 in
    --march)
      kinds=${2:-}
      shift
      ;;
    --)
      shift
      break
      ;;
    *)
      if [[ -n $tree || $1 == -* ]]; then
        echo "stage.sh: \"$1\" is no option; see the first lines of this script." >&2
        exit 64
      fi
      tree=$1
      ;;
  esac
  shift
done
more_flags=("$@")
IFS=, read -ra kinds <<<"$kinds"
if [[ -z $tree || ${#kinds[@]} == 0 ]]; then
  echo "Usage: launch/stage.sh FOLDER [--march x86-64-v3,x86-64-v4]" >&2
  exit 64
fi
for kind in "${kinds[@]}"; do
  case $kind in
    x86-64-v3 | x86-64-v4 | cooperlake | native) ;;
    *)
      echo "stage.sh: \"$kind\" is no kind of CPU that the wrapper can choose: --march takes x86-64-v3," \
        "x86-64-v4, cooperlake and native, separated by commas." >&2
      exit 64
      ;;
  esac
done
if [[ -e $tree && (! -d $tree || -n $(ls -A "$tree")) ]]; then
  echo "stage.sh: $tree is not empty." >&2
  exit 73
fi

mkdir -p "$tree"
tree=$(cd "$tree" && pwd)
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Each build by itself: DDPM_MARCH is part of what Package.swift says.
for kind in "${kinds[@]}"; do
  echo "Building for $kind."
  (
    export DDPM_MARCH=$kind
    source launch/env.sh
    if ((${#ddpm_library_faults[@]} > 0)); then
      printf '%s\n' "${ddpm_library_faults[@]}" >&2
      exit 69
    fi
    # One by one: what only tests use cannot be built with a static runtime.
    for program in ddpm-dist ddpm-sample; do
      swift build "${ddpm_swift_flags[@]}" --static-swift-stdlib \
        --scratch-path ".build/install/$kind" --product "$program" "${more_flags[@]}"
    done
  )
  builds=$tree/libexec/ddpm-dist/$kind
  mkdir -p "$builds"
  for program in ddpm-dist ddpm-sample; do
    cp ".build/install/$kind/release/$program" "$builds/$program"
    strip --strip-debug "$builds/$program"
  done
done

mkdir -p "$tree/bin"
for program in ddpm-dist ddpm-sample; do
  cp launch/choose.sh "$tree/bin/$program"
  chmod 755 "$tree/bin/$program"
done

share=$tree/share
documentation=$share/doc/ddpm-dist
mkdir -p "$share/ddpm-dist/launch" "$documentation"
cp -R configs "$share/ddpm-dist/configs"
cp launch/{env.sh,run.sh,place.sh,slurm.sbatch,pbs.sh,lsf.sh,sge.sh,flux.sh,hostfile.sh} "$share/ddpm-dist/launch"
cp -R docs LICENSE README.md CHANGELOG.md "$documentation"

dist=$tree/bin/ddpm-dist
if ! version=$("$dist" --version); then
  echo "stage.sh: none of the builds runs on this machine, and manual pages and completions come from" \
    "one: add a kind of CPU that this machine has." >&2
  exit 69
fi
version=${version%% *}
for program in ddpm-dist ddpm-sample; do
  "launch/man_pages.py" "$tree/bin/$program" "$share/man/man1" \
    --date "$(date -u -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}" +%F)"
  launch/completions/write.sh "$tree/bin/$program" "$share"
done
mkdir -p "$share/modulefiles/ddpm-dist"
cp launch/modules/ddpm-dist.lua "$share/modulefiles/ddpm-dist/$version.lua"
cp launch/modules/ddpm-dist.tcl "$share/modulefiles/ddpm-dist/$version"
