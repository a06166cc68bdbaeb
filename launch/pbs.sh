#!/usr/bin/env bash
# Trains on the nodes of a PBS cluster (PBS Professional, OpenPBS); submitted again, it goes on.
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
source launch/env.sh

if [[ -z ${CONFIG:-} || -z ${RUN:-} ]]; then
  echo "Usage: qsub -v CONFIG=configs/cifar10.yaml,RUN=runs/cifar10 launch/pbs.sh" >&2
  exit 64
fi

# The file of nodes has one line for each rank. NCPUS, the cores of a node, is shared by its ranks.
ranks=$(wc -l <"$PBS_NODEFILE")
nodes=$(sort -u "$PBS_NODEFILE" | wc -l)
workers=$((NCPUS * nodes / ranks))

# With --resume a run that has a checkpoint is continued, another one begins. When the time is up, work since the last checkpoint is
# lost: choose the configuration's checkpoint interval by how much of it you can spare.
arguments=(--config "$CONFIG" --run "$RUN" --resume --workers "$workers")
read -r -a more <<<"${MORE:-}"
arguments+=("${more[@]}")

# Each rank gets its own cores. exec: PBS's signals go to mpirun itself.
exec mpirun -n "$ranks" --hostfile "$PBS_NODEFILE" --map-by "slot:PE=$workers" --bind-to core \
  "$ddpm_bin/ddpm-dist" train "${arguments[@]}"
