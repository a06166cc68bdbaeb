#!/usr/bin/env bash
# Records a run, its continuation and samples by the program of commit 39a2815, which wrote version 1
# of the checkpoints before objectives, families and terms of a loss were named in them.
#
#   record_version_1.sh FOLDER    the folder of that commit's ddpm-dist and ddpm-sample
set -euo pipefail
programs=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"
rm -rf version-1
mkdir version-1
cd version-1
settings=(channels=4 'multipliers=[1]' 'attention=[]' groups=2 blocks=1 diffusion_steps=20 batch=16
  shards=2 warmup_steps=2 sample_every=0 seed=9 variance=fixed_large)
"$programs/ddpm-dist" train --run run --steps 3 "${settings[@]/#/--set=}"
cp -r run resumed
"$programs/ddpm-dist" train --run resumed --resume --steps 6
cp resumed/metrics.jsonl resumed.jsonl
"$programs/ddpm-sample" --ckpt run --count 8 --out samples.h5
rm -r resumed
