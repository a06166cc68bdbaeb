#!/usr/bin/env bash
# A job script of ddpm-dist for LSF: it trains, and goes on by itself. Written by
#
#   ddpm-dist job lsf --nodes 2 --ranks-per-node 2 --cores 32 --program ddpm-dist --time 24:00:00 \
#     --output launch/lsf.sh -- train --config configs/cifar10.yaml --data cifar10.h5 \
#     --run runs/cifar10
#
# Submit it in the folder in which its relative paths begin:
#
#   bsub < launch/lsf.sh
#
# To end the job in good order, with everything kept: bkill -s USR1 JOB
# Another number of nodes, ranks or cores is another script: write it again.

#BSUB -J "ddpm"
# Ranks, and of them on each node:
#BSUB -n 4
#BSUB -R "span[ptile=2]"
# The cores of a rank.
#BSUB -R "affinity[core(16)]"
# Nobody else on the nodes: every step waits for the slowest rank.
#BSUB -x
# Hours and minutes.
#BSUB -W 24:00
# Queue the job again when it ends with exit code 75: stopped in time.
#BSUB -Q "75"
# And when a node fails.
#BSUB -r
# One log for output and errors: %J is the job's number.
#BSUB -o "ddpm-%J.log"

set -eo pipefail
# The scheduler runs a copy of this script; the paths begin where it was submitted.
cd "$LS_SUBCWD"
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
# Of the job's time, 24:00:00, training may have what is left but for the
# last 180 seconds: then it finishes its step, saves, and ends with exit code 75.
left=$((86400 - 180 - SECONDS))
((left > 0)) || left=1
command+=(--time-limit "$((left / 60)):$((left % 60))")

# newest_step: prints the step of the newest checkpoint of the run; 0 where there is none.
newest_step() {
  local step=0 path
  for path in "$run"/checkpoints/step-*.h5; do
    path=${path##*/step-}
    path=${path%.h5}
    if [[ $path =~ ^[0-9]+$ ]] && ((10#$path > step)); then step=$((10#$path)); fi
  done
  echo "$step"
}

# made_progress: fails where three parts in a row have brought no new step. The file "restarts"
# in the run's folder remembers the newest step and how many they are by now.
made_progress() {
  local step before=0 count=0
  step=$(newest_step)
  if [[ -r $run/restarts ]]; then read -r before count <"$run/restarts" || true; fi
  if [[ $before == "$step" ]]; then count=$((count + 1)); else count=0; fi
  # There may be no folder yet, where the job has been stopped before it made one.
  mkdir -p "$run"
  echo "$step $count" >"$run/restarts"
  if ((count < 3)); then return 0; fi
  rm -f "$run/restarts"
  echo "Three starts in a row have ended at step $step without a new one: give the job more" \
    "time, or the run a smaller batch. It is not started again." >&2
  return 1
}

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
# What is set here, mpirun passes on to other nodes only where it is told to.
passed=(-x PATH)
[[ -z ${LD_LIBRARY_PATH:-} ]] || passed+=(-x LD_LIBRARY_PATH)
mpirun -n 4 --hostfile "$LSB_DJOB_HOSTFILE" "${passed[@]}" --map-by slot:PE=16 --bind-to core \
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

# Stopped in time, and to go on. But not for ever: where three parts in a row have brought no
# new step, a step or a save takes longer than a job may.
made_progress || exit 70
# Stopped in time: LSF queues the job again by this code (-Q).
exit 75
