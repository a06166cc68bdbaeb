# shellcheck shell=bash disable=SC2034 # the scripts that source this one read its variables
# What every script here agrees on: where things are, how Swift builds them, how Open MPI starts.
#
#   source launch/env.sh
#
# Sets ddpm_root, ddpm_bin, ddpm_venv, ddpm_swift_flags and ddpm_cores, defines ddpm_power_of_two,
# ddpm_ranks and ddpm_python_environment, and exports what Open MPI and OpenBLAS read. It changes no
# folder and builds nothing. In an installation (PREFIX/share/ddpm-dist/launch) ddpm_bin is PREFIX/bin,
# and nothing can be built. The scripts of jobs do without it: ddpm-dist job.
#
# You may set DDPM_MARCH (default: native), the kind of CPU to build for, as in x86-64-v3, and
# DDPM_LIBRARIES (default: those that pkg-config finds), the optional libraries to build with, of
# libturbojpeg and libtiff-4.

ddpm_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Where SwiftPM leaves release builds, or where the programs are installed.
ddpm_bin=$ddpm_root/.build/release
if [[ -e $ddpm_root/manifest ]]; then ddpm_bin=$(cd "$ddpm_root/../../bin" && pwd); fi

ddpm_swift_flags=()
if [[ -e $ddpm_root/Package.swift ]]; then
  source "$ddpm_root/launch/libraries.sh"
  ddpm_find_libraries "$ddpm_root/.build/pkgconfig"

  # The flags of every `swift build` and `swift test`: equal flags share one build in .build. Package.swift
  # asks git for the commit, so it is read each time; the last of these refuses an import of a module that
  # it does not allow.
  ddpm_swift_flags=(--package-path "$ddpm_root" -c release -Xcc "-march=${DDPM_MARCH:-native}"
    --manifest-cache none --disable-build-manifest-caching
    --explicit-target-dependency-import-check error)
  # Libraries that the system's search does not know are found by their folder.
  for ddpm_folder in "${ddpm_library_folders[@]}"; do
    ddpm_swift_flags+=(-Xlinker -rpath -Xlinker "$ddpm_folder")
  done

  # The optional libraries that are here, for Package.swift.
  ddpm_libraries=()
  for library in libturbojpeg libtiff-4; do
    if pkg-config --exists "$library" 2>/dev/null; then ddpm_libraries+=("$library"); fi
  done
  export DDPM_LIBRARIES="${DDPM_LIBRARIES-${ddpm_libraries[*]}}"
fi

# The cores that this process may use, each counted once however many threads it runs: what
# Open MPI counts as slots. `nproc` alone would count threads.
ddpm_count_cores() {
  local allowed
  allowed=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status 2>/dev/null || true)
  lscpu --parse=CPU,CORE,SOCKET 2>/dev/null | awk -F, -v allowed="$allowed" '
    BEGIN {
      ranges = split(allowed, range, ",")
      for (i = 1; i <= ranges; i++) {
        ends = split(range[i], end, "-")
        for (cpu = end[1] + 0; cpu <= end[ends] + 0; cpu++) may[cpu] = 1
      }
    }
    !/^#/ && (ranges == 0 || $1 in may) { core[$2 "," $3] = 1 }
    END { for (c in core) n++; print n + 0 }'
}
ddpm_cores=$(ddpm_count_cores || true)
if [[ ! $ddpm_cores =~ ^[1-9][0-9]*$ ]]; then ddpm_cores=$(nproc); fi

# ddpm_power_of_two N: prints the largest power of two that is at most N. Rank counts are powers
# of two, because every rank owns a whole subtree of the shards.
ddpm_power_of_two() {
  local power=1
  while ((2 * power <= $1)); do power=$((2 * power)); done
  echo "$power"
}

# ddpm_ranks N: prepares Open MPI for N ranks on this machine. More ranks than cores are refused
# by default; where they are asked for, waiting ranks must also give up their core to the others.
ddpm_ranks() {
  if (($1 > ddpm_cores)); then
    export OMPI_MCA_rmaps_base_oversubscribe=1
    export OMPI_MCA_mpi_yield_when_idle=1
  fi
}

# ddpm_python_environment: makes ddpm_venv, a Python with what Tests/Python needs (h5py and NumPy from
# PyPI), once for each list of requirements.
ddpm_venv=$ddpm_root/.build/python-venv
ddpm_python_environment() {
  local wanted=$ddpm_root/Tests/Python/requirements.txt
  cmp --silent "$wanted" "$ddpm_venv/requirements.txt" ||
    { python3 -m venv --clear "$ddpm_venv" &&
      "$ddpm_venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" &&
      cp "$wanted" "$ddpm_venv/requirements.txt"; }
}

# Open MPI refuses to run as root; in a container, root is who one is.
if ((EUID == 0)); then
  export OMPI_ALLOW_RUN_AS_ROOT=1
  export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

# The workers of a rank are its parallelism, and those without a shard help the others with their
# loops: OpenBLAS keeps to the thread that calls it, as threads of its own would compete with them.
export OPENBLAS_NUM_THREADS=1
