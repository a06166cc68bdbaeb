#!/usr/bin/env bash
# Shows that the bundles install on systems that have nothing of ours: Debian in folders of its own.
#
#   launch/test-install.sh            both parts
#   launch/test-install.sh binary     without Swift: bundle of programs, module, manual, Tab, two ranks
#   launch/test-install.sh source     with Swift and without a network, HDF5 known only as hdf5.pc: a build
#
# Takes the newest bundles in .build/bundles, or packs them first. Needs root, debootstrap and a network
# for Debian's packages; elsewhere it says why not and exits with 77. The systems are made once and stay in
# .build/test-install, each test works in a copy. The last line reads "N passed, N failed". Not part of
# launch/test.sh: it takes half an hour.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

cannot() {
  echo "test-install.sh: $1" >&2
  exit 77
}
parts=("$@")
((${#parts[@]} > 0)) || parts=(binary source)
for part in "${parts[@]}"; do
  if [[ $part != binary && $part != source ]]; then
    echo "test-install.sh: \"$part\" is no part; see the first lines of this script." >&2
    exit 64
  fi
done
((EUID == 0)) || cannot "only root can change into another system (chroot)."
command -v debootstrap >/dev/null || cannot "debootstrap is not installed (apt-get install debootstrap)."
unshare --mount --pid --fork --net true 2>/dev/null || cannot "this system makes no namespaces."

systems=$root/.build/test-install
mkdir -p "$systems"
passed=0
failed=0
network=false

# base RELEASE: makes the smallest Debian of a release, once.
base() {
  if [[ ! -e $systems/base-$1/etc/resolv.conf ]]; then
    rm -rf "$systems/base-$1"
    debootstrap --variant=minbase "$1" "$systems/base-$1" || cannot "debootstrap failed: no network?"
    cp /etc/resolv.conf "$systems/base-$1/etc/resolv.conf"
  fi
}

# system NAME PACKAGE…: makes a Debian with these packages, once for each list of them.
system() {
  local name=$1 folder=$systems/$1
  shift
  if [[ "$*" == "$(cat "$folder.packages" 2>/dev/null)" ]]; then return 0; fi
  rm -rf "$folder" "$folder.packages"
  base bookworm
  cp -a "$systems/base-bookworm" "$folder"
  inside "$name" true "apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes -qq --no-install-recommends $*" >"$folder.log" 2>&1 ||
    cannot "packages could not be installed; $folder.log says why."
  echo "$*" >"$folder.packages"
}

# inside NAME NETWORK COMMAND: runs a shell command in a system, with or without a network.
inside() {
  local folder=$systems/$1 spaces=(--mount --pid --fork)
  $2 || spaces+=(--net)
  # The mounts and the processes end with the namespace.
  # shellcheck disable=SC2016 # for the inner shell
  unshare "${spaces[@]}" bash -euc '
    mount --make-rprivate /
    mount -t proc none "$1/proc"
    mount --rbind /dev "$1/dev"
    mount --rbind /sys "$1/sys"
    if [[ -n $3 ]]; then mkdir -p "$1$3" && mount --rbind "$3" "$1$3"; fi
    ip link set lo up 2>/dev/null || true
    exec chroot "$1" /usr/bin/env -i HOME=/root TERM=xterm LANG=C.UTF-8 \
      PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
      OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 \
      bash -c "$2"' inside "$folder" "$3" "${4:-}"
}

# check SYSTEM NAME COMMAND [FOLDER]: one test, without a network unless `network` is true; what the command
# prints is shown where it fails. FOLDER is one of this system that is seen there too.
check() {
  local log=$systems/$1.check
  if inside "$1" "$network" "set -euo pipefail; $3" "${4:-}" >"$log" 2>&1 </dev/null; then
    passed=$((passed + 1))
    echo "passed: $2"
  else
    failed=$((failed + 1))
    echo "FAILED: $2"
    tail -n 30 "$log" | cut -c 1-300
  fi
}

# newest PATTERN KIND: prints the newest bundle, made where there is none.
newest() {
  compgen -G ".build/bundles/$1" >/dev/null || launch/bundle.sh "--$2" >&2
  find .build/bundles -maxdepth 1 -name "$1" -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-
}

# unpack NAME BUNDLE: a fresh copy of the bundle in the system's /root/bundle, after comparing its digest.
unpack() {
  rm -rf "$systems/$1/root/bundle" "$systems/$1/opt/ddpm"
  mkdir "$systems/$1/root/bundle"
  (cd "$(dirname "$2")" && sha256sum --check --quiet "$(basename "$2").sha256")
  tar --extract --file="$2" --directory="$systems/$1/root/bundle" --strip-components=1
}

test_binary() {
  local bundle prefix=/opt/ddpm
  bundle=$(newest 'ddpm-dist-*-linux-*.tar.gz' binary)
  echo "== $bundle, in a Debian without Swift"
  system plain openmpi-bin openssh-client man-db groff-base lmod bash-completion expect zsh \
    fish file
  unpack plain "$bundle"

  check plain "there is no Swift" '! command -v swift'
  check plain "it installs" "/root/bundle/install.sh --prefix $prefix && $prefix/bin/ddpm-dist --version"
  check plain "libraries are the bundle's, Open MPI's and glibc's" "
    for program in $prefix/libexec/ddpm-dist/*/ddpm-*; do
      ldd \$program | tee /dev/stderr | grep -E 'not found|libswift|libFoundation|libhdf5' && exit 1
    done; ldd $prefix/libexec/ddpm-dist/*/ddpm-dist | grep -q 'libopenblas.so.0 => $prefix'"
  local lmod="source /usr/share/lmod/lmod/init/bash; module use $prefix/share/modulefiles"
  check plain "Lmod loads it" "$lmod; module load ddpm-dist; command -v ddpm-sample | grep $prefix/bin
    ddpm-dist env | grep '^HDF5'; module unload ddpm-dist; ! command -v ddpm-dist"
  check plain "manual pages are found beside the system's" "$lmod; module load ddpm-dist
    man -w ddpm-dist ddpm-sample ddpm-dist-dataset-import-csv ls
    man ddpm-dist | grep -F 'Exit codes'; man ddpm-dist-train | grep -F 'learning_rate'
    for page in $prefix/share/man/man1/*; do
      groff -k -man -Tutf8 -ww -W break -z \$page 2>&1 | tee /dev/stderr | grep . && exit 1; done; true"
  cp launch/completions/tab.exp "$systems/plain/root/tab.exp"
  local shell
  for shell in bash zsh fish; do
    check plain "Tab offers commands, options, files and settings in $shell" "
      rm -rf /root/tab; mkdir /root/tab; expect /root/tab.exp $shell $prefix /root/tab"
  done
  check plain "bash-completion finds the files below /usr/local" "
    DDPM_SCRIPT_NAME=x /root/bundle/install.sh --prefix /usr/local >/dev/null
    bash -ic 'source /usr/share/bash-completion/bash_completion; _completion_loader ddpm-dist || true
      complete -p ddpm-dist' 2>/dev/null
    /root/bundle/install.sh --prefix /usr/local --uninstall; ! ls /usr/local/bin/*"
  check plain "two ranks train and draw" "export PATH=$prefix/bin:\$PATH; cd /root; rm -rf runs digits.png
    $prefix/share/ddpm-dist/launch/run.sh 2 train --steps 6 --run runs/two --set channels=16 sample_every=0
    mpirun -n 1 ddpm-dist train --steps 6 --run runs/one --set channels=16 sample_every=0
    ddpm-dist checkpoint diff runs/one/checkpoints/step-00000006.h5 runs/two/checkpoints/step-00000006.h5
    mpirun -n 2 ddpm-sample --ckpt runs/two --count 8 --steps 5 --sampler ddim --out digits.png
    file digits.png | grep 'PNG image'"

  # Lmod and Environment Modules exclude each other. This system has no Open MPI either.
  system modules environment-modules man-db
  unpack modules "$bundle"
  local tcl="source /usr/share/modules/init/bash; module use $prefix/share/modulefiles"
  check modules "it installs and says what is missing" "
    /root/bundle/install.sh --prefix $prefix 2>&1 | tee /dev/stderr | grep 'Open MPI 4 or 5 must be'"
  check modules "Environment Modules load it" "$tcl; module load ddpm-dist
    command -v ddpm-dist | grep $prefix/bin; man -w ddpm-dist ls
    complete -p ddpm-dist; module unload ddpm-dist; ! command -v ddpm-dist; ! complete -p ddpm-dist"

  # What launch/apptainer.def and launch/Dockerfile run in an empty Debian, and in the next one, whose Open
  # MPI is 5 and whose HDF5 has another name.
  local release
  for release in bookworm trixie; do
    base "$release"
    rm -rf "$systems/container"
    cp -a "$systems/base-$release" "$systems/container"
    cp launch/container.sh "$systems/container/root"
    cp "$bundle" "$systems/container/root/bundle.tar.gz"
    network=true
    check container "a container of $release is made" "/root/container.sh install /root/bundle.tar.gz"
    network=false
    check container "ranks train in it" "cd /root
      mpirun -n 2 ddpm-dist train --steps 2 --set channels=16"
  done

  check plain "uninstalling leaves nothing" "/root/bundle/install.sh --prefix $prefix --uninstall
    ! ls -d $prefix"
}

test_source() {
  local bundle swift
  swift=$(dirname "$(dirname "$(dirname "$(readlink -f "$(command -v swift)")")")")
  bundle=$(newest 'ddpm-dist-*-source.tar.gz' source)
  echo "== $bundle, in a Debian with the Swift of $swift, without a network"
  system swift gcc binutils-gold libc6-dev libstdc++-12-dev libcurl4 libxml2 libncurses6 libsqlite3-0 \
    libuuid1 tzdata pkg-config python3-minimal libpython3.11 libedit2 zlib1g-dev \
    openmpi-bin openssh-client libopenmpi-dev libhdf5-dev libopenblas-dev libpng-dev libarchive-dev \
    libxxhash-dev
  unpack swift "$bundle"

  check swift "there is no network" '! timeout 5 bash -c "echo >/dev/tcp/deb.debian.org/80"'
  # shellcheck disable=SC2016 # for the inner shell
  check swift "HDF5 is known only as hdf5.pc" '
    cd /usr/lib/x86_64-linux-gnu/pkgconfig
    if [[ -e hdf5-serial.pc ]]; then cp --remove-destination "$(readlink -f hdf5-serial.pc)" hdf5.pc; fi
    rm -f hdf5-serial.pc; pkg-config --exists hdf5; ! pkg-config --exists hdf5-serial'
  check swift "it builds and installs" "export PATH=$swift/usr/bin:\$PATH
    cd /root/bundle && launch/install.sh --prefix /opt/ddpm" "$swift"
  check swift "the build knows its commit and needs no Swift" "
    /opt/ddpm/bin/ddpm-dist --version | tee /dev/stderr | grep -vF unknown
    ! ldd /opt/ddpm/libexec/ddpm-dist/native/ddpm-dist | grep -E 'not found|libswift|libFoundation'"
  check swift "two ranks train" "cd /root; rm -rf runs
    mpirun -n 2 /opt/ddpm/bin/ddpm-dist train --steps 2 --run runs/two --set channels=16 sample_every=0"
  check swift "uninstalling leaves nothing" "
    /root/bundle/launch/install.sh --prefix /opt/ddpm --uninstall; ! ls -d /opt/ddpm"
}

for part in "${parts[@]}"; do "test_$part"; done
echo "$passed passed, $failed failed"
((failed == 0))
