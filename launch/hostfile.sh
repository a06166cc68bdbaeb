#!/usr/bin/env bash
# A job script of ddpm-dist for a host file: it trains. Written by
#
#   ddpm-dist job hosts --hostfile hosts.txt --nodes 2 --ranks-per-node 2 --cores 32 \
#     --program ddpm-dist --output launch/hostfile.sh -- train --config configs/cifar10.yaml \
#     --data cifar10.h5 --run runs/cifar10
#
# Start it in the folder in which its relative paths begin:
#
#   bash launch/hostfile.sh
#
# To end it in good order, with everything kept: write a file STOP into the run's folder
# Another number of nodes, ranks or cores is another script: write it again.

set -eo pipefail
# Not before: what others wrote may use what is not set.
set -u
# Open MPI refuses to run as root; in a container, root is who one is.
if ((EUID == 0)); then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi
# The workers of a rank are its parallelism.
export OPENBLAS_NUM_THREADS=1

run=runs/cifar10
# With --resume a run that has a checkpoint goes on, one that has none begins, and one that is
# done ends at once.
command=(ddpm-dist train --config configs/cifar10.yaml --data cifar10.h5 --run "$run" --resume
  --workers 16)

# The training runs beside this script, which must be free for the signal that asks it to stop.
training=""
told=false
# shellcheck disable=SC2317,SC2329 # called by the trap
tell_training() {
  told=true
  [[ -z $training ]] || kill -USR1 "$training" 2>/dev/null || true
}
trap tell_training USR1

# Each rank gets its own cores.
# There is no scheduler that ends the training with this script.
trap '[[ -z $training ]] || kill -TERM "$training"; wait; exit 143' TERM HUP
# What is set here, mpirun passes on to other nodes only where it is told to.
passed=(-x PATH)
[[ -z ${LD_LIBRARY_PATH:-} ]] || passed+=(-x LD_LIBRARY_PATH)
mpirun -n 4 --hostfile hosts.txt "${passed[@]}" --map-by ppr:2:node:PE=16 --bind-to core \
  "${command[@]}" &
training=$!
if $told; then tell_training; fi

# A signal interrupts `wait`, which then gives the signal's number: so wait again, until the
# training has really ended. 127 is the answer where it had, and the code is known.
status=0
wait "$training" || status=$?
while $told; do
  told=false
  code=0
  wait "$training" || code=$?
  ((code == 127)) || status=$code
done
# 128 + 10: USR1 came while the training was still beginning, and ended it; nothing is lost.
((status == 75 || status == 128 + 10)) || exit "$status"

# Stopped in time, and to go on: start this script again.
exit 75
