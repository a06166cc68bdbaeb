#!/usr/bin/env bash
# Compares ddpm-dist with PyTorch on this machine: same networks, same work, taking turns.
#
#   launch/compare.sh                                    every measure; on two cores about an hour
#   launch/compare.sh --only cifar10-step,digits-step    some; --list names them all
#   launch/compare.sh --rounds 3                         fewer rounds than 7
#   launch/compare.sh --json FILE --markdown FILE        writes the results too
#   DDPM_COMPARE_PYTHON=/path/to/python launch/compare.sh
#
# The last uses a Python that has what launch/peers/requirements.txt names; without it, that is
# installed into .build/compare-venv (some gigabytes: for Linux, PyPI has torch with the libraries of
# GPUs). Where there is no C++ compiler, torch.compile is left out; the first time, it takes minutes
# for each measure. Nothing else should run on the machine meanwhile.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/env.sh"

peers=$here/peers
venv=$ddpm_root/.build/compare-venv
python=${DDPM_COMPARE_PYTHON:-}

# Before anything is installed or built: are these the options? It prints what is to be measured.
"${python:-python3}" "$peers/compare.py" "$@" --list
for option in "$@"; do
  case $option in --list | --help | -h) exit 0 ;; esac
done

"$here/setup.sh" --tests

if [[ -z $python ]]; then
  wanted=$peers/requirements.txt
  if ! cmp --silent "$wanted" "$venv/requirements.txt"; then
    echo "== Installing PyTorch"
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
    cp "$wanted" "$venv/requirements.txt"
  fi
  python=$venv/bin/python
fi

echo "== Building"
"$here/build.sh"

echo "== Comparing"
# What torch compiles is kept: compiling takes longer than measuring.
export TORCHINDUCTOR_CACHE_DIR=$ddpm_root/.build/compare-cache
# launch/run.sh sets this for ddpm-dist; PyTorch may use OpenBLAS too, and shall have its threads.
exec env --unset=OPENBLAS_NUM_THREADS "$python" "$peers/compare.py" "$@"
