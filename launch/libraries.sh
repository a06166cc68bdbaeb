# shellcheck shell=bash disable=SC2034 # the scripts that source this one read its variables
# Where HDF5, Open MPI and OpenBLAS are on systems that do not use Debian's names.
#
#   source launch/libraries.sh    (launch/env.sh does)
#   ddpm_find_libraries FOLDER
#
# Package.swift asks pkg-config for `hdf5-serial`, `ompi-c` and `openblas`. What it does not know under
# these names is looked for, and described in a file in FOLDER, which goes before PKG_CONFIG_PATH:
#
#   HDF5       hdf5.pc, hdf5-1*.pc, $HDF5_DIR, $HDF5_ROOT, `h5cc -show`; a serial one: the header of
#              HDF5 for MPI includes mpi.h
#   Open MPI   `mpicc --showme`; MPICH and what comes from it is refused
#   OpenBLAS   $OPENBLAS_ROOT, $OPENBLAS_DIR; with integers of 32 bits
#
# Sets ddpm_library_faults, a sentence for each of the three that is there and cannot be used, and
# ddpm_library_folders, where the programs find them at run time other than by the system's search.

ddpm_find_libraries() {
  local folder path=:${PKG_CONFIG_PATH:-}:
  folder=$(readlink -m "$1")
  ddpm_library_faults=()
  ddpm_library_folders=()
  # A script that has been called by another one finds this folder there already.
  path=${path//:"$folder":/:}
  path=${path#:}
  path=${path%:}
  export PKG_CONFIG_PATH=$path
  ddpm_find_hdf5 "$folder"
  ddpm_find_mpi "$folder"
  ddpm_find_openblas "$folder"
  if compgen -G "$folder/*.pc" >/dev/null; then export PKG_CONFIG_PATH=$folder${path:+:$path}; fi
  if [[ -z $PKG_CONFIG_PATH ]]; then unset PKG_CONFIG_PATH; fi
}

ddpm_find_hdf5() { # ddpm_find_hdf5 FOLDER
  local name flags parallel=""
  local -a names=(hdf5-serial hdf5)
  mapfile -t -O 2 names < <(pkg-config --list-all 2>/dev/null | sed -n 's/^\(hdf5-1[^ ]*\) .*/\1/p' |
    sort --version-sort --reverse)
  for name in "${names[@]}"; do
    flags=$(pkg-config --cflags --libs "$name" 2>/dev/null) || continue
    if ddpm_is_parallel_hdf5 "$flags"; then
      parallel=$name.pc
    else
      if [[ $name == hdf5-serial ]]; then flags="known $flags"; fi
      ddpm_take_library "$1" hdf5-serial hdf5 "$flags"
      return
    fi
  done
  for name in "${HDF5_DIR:-}" "${HDF5_ROOT:-}"; do
    flags=$(ddpm_flags_of_prefix "$name" hdf5.h hdf5) || continue
    if ddpm_is_parallel_hdf5 "$flags"; then
      parallel=$name
    else
      ddpm_take_library "$1" hdf5-serial hdf5 "$flags"
      return
    fi
  done
  # The first word is the compiler.
  if flags=$(h5cc -show 2>/dev/null); then
    if ddpm_is_parallel_hdf5 "$flags"; then
      parallel=h5cc
    else
      ddpm_take_library "$1" hdf5-serial hdf5 "${flags#* }"
      return
    fi
  fi
  rm -f "$1/hdf5-serial.pc"
  if [[ -n $parallel ]]; then
    ddpm_library_faults+=("The only HDF5 here ($parallel) is one for MPI, and a serial one is needed: load \
or install it beside (Debian: libhdf5-dev, Spack: hdf5~mpi, conda: hdf5=*=nompi*), and name it by HDF5_DIR.")
  fi
}

# Whether flags lead to the headers of an HDF5 that was built for MPI.
ddpm_is_parallel_hdf5() { # ddpm_is_parallel_hdf5 FLAGS
  local word
  local -a headers=() words
  read -ra words <<<"$1"
  for word in "${words[@]}"; do
    if [[ $word == -I* ]]; then headers+=("${word#-I}"/H5pubconf*.h); fi
  done
  grep -qsE '^[[:space:]]*#[[:space:]]*define[[:space:]]+H5_HAVE_PARALLEL' \
    "${headers[@]}" /usr/include/H5pubconf*.h
}

ddpm_find_mpi() { # ddpm_find_mpi FOLDER
  local flags version
  if flags=$(pkg-config --cflags --libs ompi-c 2>/dev/null); then
    ddpm_take_library "$1" ompi-c mpi "known $flags"
  elif mpicc --showme:version 2>/dev/null | grep -q "Open MPI" &&
    flags=$(mpicc --showme:compile 2>/dev/null) && flags+=" $(mpicc --showme:link 2>/dev/null)"; then
    ddpm_take_library "$1" ompi-c mpi "$flags"
  else
    rm -f "$1/ompi-c.pc"
    if command -v mpicc >/dev/null; then
      ddpm_library_faults+=("mpicc is not Open MPI's. MPICH and what comes from it (Intel MPI, MVAPICH, \
Cray MPICH) have handles of another type: load or install Open MPI 4 or 5 (module load openmpi, Debian: \
libopenmpi-dev).")
      return
    fi
  fi
  version=$(mpirun --version 2>/dev/null </dev/null) || version=""
  if [[ -n $version && $version != *"Open MPI"* && $version != *OpenRTE* ]]; then
    ddpm_library_faults+=("mpirun is not Open MPI's, and would start single processes that know nothing of \
each other: put the folder of Open MPI's mpirun first into the PATH.")
  fi
}

ddpm_find_openblas() { # ddpm_find_openblas FOLDER
  local flags prefix word
  if flags=$(pkg-config --cflags --libs openblas 2>/dev/null); then
    ddpm_take_library "$1" openblas openblas "known $flags"
    return
  fi
  for prefix in "${OPENBLAS_ROOT:-}" "${OPENBLAS_DIR:-}"; do
    flags=$(ddpm_flags_of_prefix "$prefix" cblas.h openblas) || continue
    word=${flags%% *}
    if grep -qsE '^[[:space:]]*#[[:space:]]*define[[:space:]]+OPENBLAS_USE64BITINT' \
      "${word#-I}/openblas_config.h"; then
      ddpm_library_faults+=("The OpenBLAS in $prefix has integers of 64 bits, and one with 32 bits is \
needed (Debian: libopenblas-dev, Spack: openblas~ilp64).")
      continue
    fi
    ddpm_take_library "$1" openblas openblas "$flags"
    return
  done
  rm -f "$1/openblas.pc"
}

# Prints the flags for a library below a prefix such as /opt/hdf5; fails where it is not there.
ddpm_flags_of_prefix() { # ddpm_flags_of_prefix PREFIX HEADER LIBRARY
  local include library
  [[ -n $1 ]] || return 1
  for include in "$1/include" "$1/include/$3"; do
    [[ -e $include/$2 ]] || continue
    for library in "$1/lib" "$1/lib64" "$1"; do
      if compgen -G "$library/lib$3.*" >/dev/null; then
        echo "-I$include -L$library -l$3"
        return
      fi
    done
  done
  return 1
}

# Notes where a library is and, unless its flags begin with the word `known`, describes it in FOLDER/NAME.pc.
ddpm_take_library() { # ddpm_take_library FOLDER NAME LIBRARY FLAGS
  local file=$1/$2.pc name=$3 word text known=false shared=""
  local -a words compile=() link=() folders=()
  read -ra words <<<"$4"
  if [[ ${words[0]} == known ]]; then known=true; fi
  for word in "${words[@]}"; do
    case $word in
      -I* | -D*) compile+=("$word") ;;
      -L*) folders+=("${word#-L}") && link+=("$word") ;;
      -l*) link+=("$word") ;;
      # h5cc names files, as in /usr/lib/libhdf5.a.
      /*/lib*.a | /*/lib*.so*)
        folders+=("${word%/*}")
        word=${word##*/lib}
        link+=("-L${folders[-1]}" "-l${word%%.*}")
        ;;
    esac
  done
  for word in "${folders[@]}"; do
    if [[ -e $word/lib$name.so ]]; then
      shared=$word
      break
    fi
  done
  # A shared library brings what it needs itself; a static one needs all that was said.
  if [[ -n $shared ]]; then
    link=("-L$shared" "-l$name")
    ddpm_note_folder "$shared" "$name"
  fi
  if $known; then
    rm -f "$file"
    return
  fi
  text="Name: $2
Description: $name, as launch/libraries.sh has found it
Version: 0
Cflags: ${compile[*]}
Libs: ${link[*]}"
  # The file keeps its time where nothing has changed, so that nothing is built again.
  if [[ $text != "$(cat "$file" 2>/dev/null)" ]]; then
    mkdir -p "$1"
    printf '%s\n' "$text" >"$file.$$" && mv "$file.$$" "$file"
  fi
}

# Notes the folder of a shared library that the system's search does not know.
ddpm_note_folder() { # ddpm_note_folder FOLDER LIBRARY
  local file known
  file=$(readlink -f "$1/lib$2.so") || return 0
  known=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null |
    sed -n 's|.* => /|/|p' | xargs -r readlink -f) || known=""
  if [[ $'\n'$known$'\n' != *$'\n'$file$'\n'* ]]; then ddpm_library_folders+=("$1"); fi
}
