#!/usr/bin/env bash
# Compares ddpm-dist with the peers that one would take instead, on this machine: same networks, same
# work, taking turns. Peers are PyTorch with diffusers, Intel's extension of PyTorch, and OpenVINO.
#
#   launch/compare.sh                                    every measure; on two cores some hours
#   launch/compare.sh --only cifar10-step,digits-step    some; --list names them all
#   launch/compare.sh --only large                       images of 64, 128, 256 pixels
#   launch/compare.sh --only quality --mnist FOLDER      what is learned in --minutes 10 of training each,
#                                                        from MNIST's IDX files
#   launch/compare.sh --rounds 3                         fewer rounds than 7
#   launch/compare.sh --json FILE --markdown FILE        writes the results too
#   DDPM_COMPARE_PYTHON=/path/to/python DDPM_COMPARE_EXTENSION_PYTHON=/path/to/another launch/compare.sh
#
# The last takes Pythons that have what launch/peers/requirements.txt and -openvino.txt, and
# -extension.txt name; without it, these are installed into .build/compare-venv and
# .build/compare-extension-venv (some gigabytes: for Linux, PyPI has torch with the libraries of GPUs). A
# peer that cannot be installed, or does not run on this CPU, is left out with a line that says why; so
# are bfloat16 modes on a CPU without instructions for it, but for one that shows it. Where there is no C++
# compiler, torch.compile is left out; the first time, it takes minutes for each measure. Nothing else
# should run on the machine meanwhile.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/env.sh"

peers=$here/peers

# Before anything is installed or built: are these the options? It prints what is to be measured.
python3 "$peers/compare.py" "$@" --list
for option in "$@"; do
  case $option in --list | --help | -h) exit 0 ;; esac
done

"$here/setup.sh" --tests

# environment FOLDER FILE…: makes a virtual environment with what the files name, once for each state of
# them. What cannot be installed is not there: its programs will say so.
environment() {
  local folder=$1 wanted
  shift
  wanted=$(cat "$@")
  if [[ ! -e $folder/requirements.txt || $wanted != "$(<"$folder/requirements.txt")" ]]; then
    echo "== Installing $(grep --no-filename --only-matching --max-count=1 '^[a-z].*==.*' "$@" | xargs)"
    python3 -m venv --clear "$folder" || return 0
    for file in "$@"; do
      "$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$file" || return 0
    done
    echo "$wanted" >"$folder/requirements.txt"
  fi
}

if [[ -z ${DDPM_COMPARE_PYTHON:-} ]]; then
  venv=$ddpm_root/.build/compare-venv
  environment "$venv" "$peers/requirements.txt" "$peers/requirements-openvino.txt"
  export DDPM_COMPARE_PYTHON=$venv/bin/python
fi
if [[ -z ${DDPM_COMPARE_EXTENSION_PYTHON:-} ]]; then
  venv=$ddpm_root/.build/compare-extension-venv
  environment "$venv" "$peers/requirements-extension.txt"
  export DDPM_COMPARE_EXTENSION_PYTHON=$venv/bin/python
fi

echo "== Building"
"$here/build.sh"

echo "== Comparing"
# What torch compiles is kept: compiling takes longer than measuring.
export TORCHINDUCTOR_CACHE_DIR=$ddpm_root/.build/compare-cache
# launch/run.sh sets this for ddpm-dist; the peers may use OpenBLAS too, and shall have their threads.
exec env --unset=OPENBLAS_NUM_THREADS python3 "$peers/compare.py" "$@"
