#!/bin/sh
# Places a tree of files below a prefix, and takes it away again: the second half of launch/install.sh,
# and the install.sh of a bundle of binaries.
#
#   install.sh --prefix /opt/ddpm-dist
#   install.sh --prefix /opt/ddpm-dist --uninstall
#   launch/place.sh --tree FOLDER --prefix /opt/ddpm-dist
#   /opt/ddpm-dist/share/ddpm-dist/launch/place.sh --prefix /opt/ddpm-dist --uninstall
#
# The tree is --tree, or `tree` beside this script; --check only looks whether the prefix can be one.
# DESTDIR, if set, goes before the prefix, as packagers expect. PREFIX/share/ddpm-dist/manifest tells what
# has been placed: a SHA-256 and a path a line, and the folders that were made. A file is replaced or
# removed only where it has the bytes of a manifest's line.
#
# Exit codes: 64 wrong arguments, 66 nothing to uninstall, 73 a file of somebody else is in the way.
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
tree=$here/tree
prefix=""
uninstall=false
check=false
name=${DDPM_SCRIPT_NAME:-$(basename "$0")}

fail() { # fail CODE SENTENCE
  echo "$name: $2" >&2
  exit "$1"
}

while [ $# -gt 0 ]; do
  case $1 in
    --prefix | --tree)
      [ $# -ge 2 ] || fail 64 "$1 needs a folder."
      if [ "$1" = --prefix ]; then prefix=$2; else tree=$2; fi
      shift
      ;;
    --prefix=*) prefix=${1#--prefix=} ;;
    --uninstall) uninstall=true ;;
    --check) check=true ;;
    --help | -h)
      sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    *) fail 64 "\"$1\" is no option; see the first lines of this script." ;;
  esac
  shift
done
case $prefix in
  "") fail 64 "--prefix is missing: the folder to install into, such as /opt/ddpm-dist." ;;
  /) ;;
  /*) prefix=${prefix%/} ;;
  *) fail 64 "--prefix must begin with a slash; \"$prefix\" does not." ;;
esac
root=${DESTDIR:-}${prefix%/}
[ -n "$root" ] || root=/.
share=share/ddpm-dist
manifest=$root/$share/manifest

above=$root
while [ ! -e "$above" ]; do above=$(dirname "$above"); done
[ -d "$above" ] || fail 73 "$above is no folder."
[ -w "$above" ] || fail 73 "$above may not be written to: choose another --prefix, or ask who may."
if $check; then exit 0; fi

scratch=$(mktemp -d)
temporary=""
trap 'rm -rf "$scratch" ${temporary:+"$temporary"}' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

digest() { # digest FILE
  sha256sum <"$1" | cut -c 1-64
}

# Whether a file is there with bytes that this script has placed there.
is_placed() { # is_placed PATH
  [ -f "$root/$1" ] && [ ! -L "$root/$1" ] &&
    grep -qxF "$(digest "$root/$1")  $1" "$scratch/known"
}

is_there() { # is_there PATH
  [ -e "$root/$1" ] || [ -L "$root/$1" ]
}

# Removes the folders of the list that are empty, the innermost first.
remove_folders() { # remove_folders LIST
  sed -n 's/^folder  //p' "$1" | LC_ALL=C sort -ru | while IFS= read -r path; do
    if [ "$path" = . ]; then path=$root; else path=$root/$path; fi
    rmdir "$path" 2>/dev/null || true
  done
}

: >"$scratch/known"
if [ -e "$manifest" ]; then
  cp "$manifest" "$scratch/known" || fail 66 "$manifest cannot be read."
fi

if $uninstall; then
  [ -e "$manifest" ] ||
    fail 66 "Nothing is installed in $root: there is no $share/manifest. Is this the prefix?"
  sed -n '/^folder  /!s/^[0-9a-f]*  //p' "$scratch/known" | sort -u >"$scratch/paths"
  while IFS= read -r path; do
    if is_placed "$path"; then
      rm -f "$root/$path" || fail 73 "$root/$path cannot be removed; nothing after it was."
    elif is_there "$path"; then
      echo "$name: $root/$path has been changed since, and stays." >&2
    fi
  done <"$scratch/paths"
  rm -f "$manifest" || fail 73 "$manifest cannot be removed."
  remove_folders "$scratch/known"
  echo "ddpm-dist is no longer installed in $root."
  exit 0
fi

[ -d "$tree/bin" ] || fail 66 "There is no tree to install at $tree."
(cd "$tree" && find . -type f | sed 's|^\./||' | LC_ALL=C sort) >"$scratch/paths"

# Everything is looked at before anything is written.
while IFS= read -r path; do
  if is_there "$path" && ! is_placed "$path"; then
    fail 73 "$root/$path is there and is not of an earlier installation: move it away, or choose another \
--prefix. Nothing has been changed."
  fi
  echo "$(digest "$tree/$path")  $path" >>"$scratch/files"
done <"$scratch/paths"

# The folders that are not there yet, and those that an earlier installation has made.
{
  grep '^folder  ' "$scratch/known" || true
  { cat "$scratch/paths" && echo "$share/manifest"; } | while IFS= read -r path; do
    while [ "$path" != . ]; do
      path=$(dirname "$path")
      [ -e "$root/$path" ] || echo "folder  $path"
    done
  done
} | sort -u >"$scratch/folders"

# From here on an interruption leaves a manifest that knows the old files and the new ones.
mkdir -p "$root/$share" || fail 73 "The folder $root/$share cannot be made."
# By a rename: programs that run now keep their file.
put() { # put FILE PATH MODE
  { temporary=$(mktemp "$root/$(dirname "$2")/.ddpm-dist.XXXXXX") && cp "$1" "$temporary" &&
    chmod "$3" "$temporary" && mv -f "$temporary" "$root/$2"; } ||
    fail 73 "$root/$2 cannot be written."
  temporary=""
}
put_manifest() { # put_manifest FILE…
  cat "$@" >"$scratch/manifest"
  put "$scratch/manifest" "$share/manifest" 644
}
put_manifest "$scratch/known" "$scratch/files" "$scratch/folders"

while IFS= read -r path; do
  mkdir -p "$(dirname "$root/$path")" || fail 73 "$root/$(dirname "$path") cannot be made."
  if [ -x "$tree/$path" ]; then mode=755; else mode=644; fi
  put "$tree/$path" "$path" "$mode"
done <"$scratch/paths"

# What an earlier installation had, and this one has not.
sed -n '/^folder  /!s/^[0-9a-f]*  //p' "$scratch/known" | sort -u | while IFS= read -r path; do
  if ! grep -qxF "$path" "$scratch/paths" && is_placed "$path"; then rm -f "$root/$path"; fi
done
put_manifest "$scratch/files" "$scratch/folders"
remove_folders "$scratch/folders"

echo "Installed in $root. To use it:"
echo "  export PATH=$prefix/bin:\$PATH"
echo "  module use $prefix/share/modulefiles && module load ddpm-dist    # where there are modules"
if version=$("$root/bin/ddpm-dist" --version 2>&1); then
  echo "$version"
else
  echo "It does not start on this machine:" >&2
  echo "  $version" >&2
  echo "Open MPI 4 or 5 must be loaded or installed (module load openmpi, Debian: openmpi-bin)." >&2
fi
