#!/usr/bin/env bash
# Trains on the nodes of a PBS cluster (PBS Professional, OpenPBS), and submits itself again to go on.
#
#   qsub -v CONFIG=configs/cifar10.yaml,RUN=runs/cifar10 launch/pbs.sh
#   qsub -l select=4:ncpus=32:mpiprocs=2 -v CONFIG=configs/mnist.yaml,RUN=runs/mnist launch/pbs.sh
#
# CONFIG is the configuration, RUN the folder of the run, MORE (if set) further options of
# `ddpm-dist train`, separated by blanks. Submit from the project's folder, on a file system that
# all nodes share, after launch/build.sh. Where the login node has another CPU than the compute
# nodes, build for both:
#   DDPM_MARCH=x86-64-v3 launch/build.sh
#
# The options below are read by qsub; the same option on its command line comes first. Nodes times
# mpiprocs is the number of ranks: a power of two.

#PBS -N ddpm
# Two nodes of 32 cores; on each, one rank for each of the two sockets (or NUMA domains: `lscpu`),
# so that a rank's memory is near its cores.
#PBS -l select=2:ncpus=32:mpiprocs=2
# Each part on a node of its own, and nobody else on it: every step waits for the slowest rank.
#PBS -l place=scatter:excl
#PBS -l walltime=24:00:00
# PBS may start the job again when a node fails.
#PBS -r y
# One log for output and errors.
#PBS -j oe

set -euo pipefail

# PBS runs a copy of this script; the project is where `qsub` was called.
cd "$PBS_O_WORKDIR"
# Load here what you built with, if your cluster has environment modules:
# module load gcc openmpi hdf5 openblas
scripts=$PBS_O_WORKDIR/launch
# From another folder: those of the installation whose ddpm-dist is on the PATH.
[[ -e $scripts/env.sh ]] || scripts=$(dirname "$(command -v ddpm-dist)")/../share/ddpm-dist/launch
source "$scripts/env.sh"

if [[ -z ${CONFIG:-} || -z ${RUN:-} ]]; then
  echo "Usage: qsub -v CONFIG=configs/cifar10.yaml,RUN=runs/cifar10 launch/pbs.sh" >&2
  exit 64
fi

# The file of nodes has one line for each rank. NCPUS, the cores of a node, is shared by its ranks.
ranks=$(wc -l <"$PBS_NODEFILE")
nodes=$(sort -u "$PBS_NODEFILE" | wc -l)
workers=$((NCPUS * nodes / ranks))

# With --resume a run that has a checkpoint is continued, another one begins. Two minutes before the time
# is up the training finishes its step, saves, and ends with exit code 75.
arguments=(--config "$CONFIG" --run "$RUN" --resume --workers "$workers")
walltime=$(qstat -f "$PBS_JOBID" 2>/dev/null |
  sed -nE 's/^ *Resource_List\.walltime = ([0-9]+):([0-9]+):([0-9]+)$/\1 \2 \3/p')
if read -r hours minutes seconds <<<"$walltime" && [[ -n $hours ]]; then
  left=$((10#$hours * 3600 + 10#$minutes * 60 + 10#$seconds - 120))
  if ((left > 0)); then arguments+=(--time-limit "$((left / 60)):$((left % 60))"); fi
fi
read -r -a more <<<"${MORE:-}"
arguments+=("${more[@]}")

# Each rank gets its own cores.
status=0
mpirun -n "$ranks" --hostfile "$PBS_NODEFILE" --map-by "slot:PE=$workers" --bind-to core \
  "$ddpm_bin/ddpm-dist" train "${arguments[@]}" || status=$?
((status == 75)) || exit "$status"

# Stopped in time, and to go on: the next job of the chain. But not for ever: where three jobs in a row
# have brought no new step, a step or a save takes longer than a job may.
ddpm_made_progress "$RUN" || exit 70
qsub -v "CONFIG=$CONFIG,RUN=$RUN,MORE=${MORE:-}" "$scripts/pbs.sh"
