#!/usr/bin/env bash
# Runs ddpm-dist on N ranks of this machine; what follows N is handed on to it.
#
#   launch/run.sh 4 train --config configs/mnist.yaml --run runs/mnist
#   launch/run.sh 8 train --run runs/digits --resume
#   DDPM_PROGRAM=ddpm-sample launch/run.sh 2 --ckpt runs/digits --out digits.png
#
# N is a power of two that divides the run's shards. More ranks than cores work too, only slower.
# On a cluster, ddpm-dist job writes the script of a job instead.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

if [[ ! ${1:-} =~ ^[1-9][0-9]*$ ]]; then
  echo "Usage: launch/run.sh RANKS [arguments of ddpm-dist]" >&2
  exit 64
fi
ranks=$1
shift

program=$ddpm_bin/${DDPM_PROGRAM:-ddpm-dist}
if [[ ! -x $program ]]; then
  echo "There is no $program yet: run launch/build.sh first." >&2
  exit 66
fi

ddpm_ranks "$ranks"
# Left to itself, Open MPI ties each of up to two ranks to ONE core, where all of a rank's worker
# threads would queue. Unbound, the threads of all ranks spread over all cores.
exec mpirun -n "$ranks" --bind-to none "$program" "$@"
