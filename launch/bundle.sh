#!/usr/bin/env bash
# Packs what one file brings to a machine without a network: the sources with the packages that they need,
# or the programs with the libraries that they need.
#
#   launch/bundle.sh --source
#   launch/bundle.sh --binary [--march x86-64-v3,x86-64-v4]
#
# --source   the newest commit; unpack, then launch/install.sh, with Swift and what launch/setup.sh names
# --binary   the programs, for Linux with Open MPI 4 or 5; unpack, then install.sh --prefix PREFIX. HDF5 is
#            linked into them, because its library has another name on each system; the other libraries lie
#            beside them; Open MPI, glibc and the C++ library are the system's. Made on Debian, whose
#            packages know the licences.
#
# The bundle and its SHA-256 are written to .build/bundles. Equal files give equal bundles, byte for byte.
# Exit code 69 where something is missing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/.." && pwd)
cd "$root"

kind=""
kinds=x86-64-v3,x86-64-v4
while (($# > 0)); do
  case $1 in
    --source | --binary) kind=${1#--} ;;
    --march)
      kinds=${2:-}
      shift
      ;;
    *)
      echo "bundle.sh: \"$1\" is no option; see the first lines of this script." >&2
      exit 64
      ;;
  esac
  shift
done
if [[ -z $kind ]]; then
  echo "Usage: launch/bundle.sh --source | --binary [--march x86-64-v3,x86-64-v4]" >&2
  exit 64
fi

version=$(sed -n 's/^public let programVersion = "\(.*\)"$/\1/p' Sources/Training/Run/ProgramBuild.swift)
commit=$(git rev-parse --short=9 HEAD 2>/dev/null) || commit=""
# The times in the bundle: those of the commit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
bundles=$root/.build/bundles
mkdir -p "$bundles"
scratch=$(mktemp -d "$bundles/making.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# pack NAME: makes .build/bundles/NAME.tar.gz of the folder NAME.
pack() {
  tar --create --sort=name --format=gnu --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
    --mtime="@$SOURCE_DATE_EPOCH" --directory="$scratch" "$1" | gzip --no-name --best >"$scratch/packed"
  mv "$scratch/packed" "$bundles/$1.tar.gz"
  (cd "$bundles" && sha256sum "$1.tar.gz" >"$1.tar.gz.sha256")
  echo "Packed: $bundles/$1.tar.gz"
}

# checkouts: prints the folder of the packages' sources: in a bundle of sources `packages`, else SwiftPM's,
# which fetches them where they are not there.
checkouts() {
  if [[ -d packages ]]; then
    echo "$root/packages"
    return
  fi
  swift package --package-path "$root" resolve >&2
  echo "$root/.build/checkouts"
}

pack_source() {
  local name=ddpm-dist-$version-source folder package
  folder=$scratch/$name
  if [[ -z $commit ]]; then
    echo "bundle.sh: a bundle of sources is made from a clone; git knows of none here." >&2
    exit 69
  fi
  if [[ -n $(git status --porcelain) ]]; then
    echo "Changes that are not committed are left out."
  fi
  mkdir "$folder" "$folder/packages"
  git archive HEAD | tar --extract --directory="$folder"
  packages=$(checkouts)
  for package in "$packages"/*/; do
    cp -R "$package" "$folder/packages/$(basename "$package")"
  done
  rm -rf "$folder"/packages/*/.git
  # SwiftPM takes the packages from beside the sources, and there is no git to tell the commit.
  sed -i -E -e 's|url: "https://[^"]*/([^"/]+)", from: "[^"]*"|path: "packages/\1"|' \
    -e "s|\?\? \"unknown\"|?? \"$commit\"|" "$folder/Package.swift"
  if grep -q 'url:' "$folder/Package.swift" || ! grep -qF "\"$commit\"" "$folder/Package.swift"; then
    echo "bundle.sh: Package.swift names packages or the commit in a way that this script does not know." >&2
    exit 70
  fi
  pack "$name"
}

# static_hdf5 FOLDER: a folder in which linkers find HDF5 only as an archive, and its hdf5-serial.pc.
static_hdf5() {
  local library folder
  folder=$(pkg-config --variable=libdir hdf5-serial)
  [[ -n $folder ]] || folder=$(pkg-config --libs-only-L hdf5-serial | sed 's/^ *-L//; s/ .*//')
  mkdir -p "$1"
  for library in "$folder/libhdf5.a" /usr/lib/*/libsz.a /usr/lib/*/libaec.a; do
    if [[ ! -e $library ]]; then
      echo "bundle.sh: there is no $library: install libhdf5-dev and libaec-dev." >&2
      exit 69
    fi
    ln -s "$library" "$1/"
  done
  cat >"$1/hdf5-serial.pc" <<PC
Name: hdf5-serial
Description: HDF5 and what it needs, as archives
Version: $(pkg-config --modversion hdf5-serial)
Cflags: $(pkg-config --cflags hdf5-serial)
Libs: -L$1 -lhdf5 -lsz -laec -lz -ldl -lm
PC
}

# libraries FILE…: what programs and libraries need at run time, a name and a path a line.
libraries() {
  ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' | sort -u
}

# license_of FILE FOLDER: copies what Debian's package of a file says of its licence.
license_of() {
  local path package
  for path in "$1" "/usr$1" "${1#/usr}"; do
    package=$(dpkg -S "$path" 2>/dev/null | head -n 1 | cut -d: -f1) || package=""
    if [[ -n $package ]]; then break; fi
  done
  if [[ -z $package || ! -e /usr/share/doc/$package/copyright ]]; then
    echo "bundle.sh: no Debian package tells the licence of $1." >&2
    exit 69
  fi
  cp "/usr/share/doc/$package/copyright" "$2/$package"
}

pack_binary() {
  local name library path tree licenses package packages
  name=ddpm-dist-$version-linux-$(uname -m)
  tree=$scratch/$name/tree
  if ! command -v dpkg >/dev/null; then
    echo "bundle.sh: the licences of what is bundled are read from Debian's packages: make it there." >&2
    exit 69
  fi
  # Always the same folder, so that nothing is linked again where nothing has changed.
  rm -rf .build/bundles/static
  static_hdf5 "$root/.build/bundles/static"
  # An RPATH, which holds for the libraries of the libraries too.
  PKG_CONFIG_PATH=$root/.build/bundles/static${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH} \
    "$here/stage.sh" "$tree" --march "$kinds" -- \
    -Xlinker --disable-new-dtags -Xlinker -rpath -Xlinker "\$ORIGIN/../lib"

  # The system has these: glibc and what a compiler brings, Open MPI, and what Open MPI itself needs.
  local -A system=()
  while read -r library path; do system[$library]=1; done < <(
    libraries "$(libraries "$tree"/libexec/ddpm-dist/*/ddpm-dist |
      awk '$1 == "libmpi.so.40" { print $2; exit }')"
  )
  is_system() {
    case $1 in
      libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.* | libresolv.so.* | libutil.so.*) ;;
      libgcc_s.so.* | libstdc++.so.* | libmpi.so.* | ld-linux*) ;;
      *) [[ -n ${system[$1]:-} ]] ;;
    esac
  }
  licenses=$tree/share/doc/ddpm-dist/licenses
  mkdir -p "$tree/libexec/ddpm-dist/lib" "$licenses"
  while read -r library path; do
    if is_system "$library"; then continue; fi
    cp "$(readlink -f "$path")" "$tree/libexec/ddpm-dist/lib/$library"
    chmod 644 "$tree/libexec/ddpm-dist/lib/$library"
    license_of "$(readlink -f "$path")" "$licenses"
  done < <(libraries "$tree"/libexec/ddpm-dist/*/ddpm-*)
  # Linked into the programs: HDF5 and its compression, Swift's runtime, the packages.
  license_of "$(readlink -f .build/bundles/static/libhdf5.a)" "$licenses"
  license_of "$(readlink -f .build/bundles/static/libaec.a)" "$licenses"
  cp "$(dirname "$(readlink -f "$(command -v swift)")")/../share/swift/LICENSE.txt" "$licenses/swift"
  packages=$(checkouts)
  for package in "$packages"/*/; do
    find "$package" -maxdepth 1 \( -name 'LICENSE*' -o -name 'NOTICE*' \) -exec cat {} + \
      >"$licenses/$(basename "$package")"
  done
  # Debian's packages refer to the long licences instead of repeating them.
  mkdir "$licenses/common-licenses"
  grep -ohE '/usr/share/common-licenses/[A-Za-z]+-[0-9.]*[0-9]' -r "$licenses" | sort -u |
    xargs cp -t "$licenses/common-licenses"

  # Nothing may come from this machine but what the system is to have.
  while read -r library path; do
    if [[ $path == "$tree"/* ]] || is_system "$library"; then continue; fi
    echo "bundle.sh: $library is neither in the bundle nor of the system: $path." >&2
    exit 70
  done < <(libraries "$tree"/libexec/ddpm-dist/*/ddpm-*)

  cp "$here/place.sh" "$scratch/$name/install.sh"
  cat >"$scratch/$name/README" <<TEXT
ddpm-dist for Linux on $(uname -m): $kinds
$("$tree/bin/ddpm-dist" --version)

  ./install.sh --prefix /opt/ddpm-dist
  ./install.sh --prefix /opt/ddpm-dist --uninstall

It needs what this machine must have:
  Open MPI 4 or 5 (libmpi.so.40); Debian and Ubuntu: openmpi-bin, Fedora: openmpi
  glibc $(newest_symbol GLIBC "$tree") or newer
  libstdc++ with GLIBCXX_$(newest_symbol GLIBCXX "$tree") or newer

The licences of what is bundled are in tree/share/doc/ddpm-dist/licenses. launch/bundle.sh --source packs
the source that these programs were built from.
TEXT
  pack "$name"
}

# newest_symbol NAME TREE: the newest version of glibc's symbols, say, that the programs and libraries ask for.
newest_symbol() {
  find "$2/libexec" -type f -exec objdump -T {} + 2>/dev/null | grep -oE "\($1_[0-9.]+\)" |
    tr -d '()' | sed "s/^$1_//" | sort -uV | tail -n 1
}

"pack_$kind"
