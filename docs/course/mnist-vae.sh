#!/usr/bin/env bash
# Trains the autoencoder of Burda et al. (2016) on MNIST, and prints its bounds on the test images.
#
#   docs/course/mnist-vae.sh FOLDER mnist.h5 mnist-test.h5 [STEPS] [RANKS]
#
# STEPS is 330,000 where it is not said, half an hour on two cores of an AMD EPYC (Zen 4); 1,460,000 steps are
# the 3,280 epochs of the publication. RANKS are as many as cores. A run that was ended goes on; on a cluster,
# give ddpm-dist job the same configuration and steps, and this script the run's folder as FOLDER/run
# afterwards.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../../launch/env.sh"
if (($# < 3 || $# > 5)); then
  sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '$d' >&2
  exit 64
fi
folder=$1 train=$2 test=$3 steps=${4:-330000} ranks=${5:-$(ddpm_power_of_two "$ddpm_cores")}
mkdir -p "$folder"
"$here/../../launch/run.sh" "$ranks" train --run "$folder/run" --resume --data "$train" --steps "$steps" \
  --config "$ddpm_root/configs/mnist-vae.yaml" --set validation_every=10000 checkpoint_every=30000
"$ddpm_bin/ddpm-dist" evaluate --ckpt "$folder/run" --data "$test" --importance-samples 5000 \
  --output "$folder/run/bound.json"
