#!/usr/bin/env bash
# Compares diffusion of latents with diffusion of pixels at equal training time, on pictures of 64×64 pixels.
#
#   docs/course/latent.sh FOLDER mnist.h5 mnist-test.h5 [MINUTES]
#
# Puts four digits of MNIST into each picture, at places that vary by two pixels; trains a denoiser of pixels
# for MINUTES (20), and an autoencoder for a quarter of that and a denoiser of its latents for the rest; draws
# 1,024 pictures of each by the same twenty steps, and cuts them into quarters, which docs/course/quality.py
# compares with those of real pictures. Needs PyTorch, NumPy and h5py; nothing else should run meanwhile. What
# is in FOLDER already is not made again.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../../launch/env.sh"
if (($# < 3 || $# > 4)); then
  sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '$d' >&2
  exit 64
fi
folder=$1 mnist=$2 test=$3 minutes=${4:-20}
mkdir -p "$folder"

# cut FILE OUT [LABELS]: the quarters of pictures, with the digits that LABELS holds where there are some.
cut_pictures() {
  [[ -e $2 ]] || python3 - "$@" <<'PYTHON'
import sys
import h5py
import numpy as np
with h5py.File(sys.argv[1]) as file:
    name = "samples" if "samples" in file else "images"
    pictures = file[name][:]
count = len(pictures)
quarters = pictures.reshape(count, 2, 32, 2, 32, 1).transpose(0, 1, 3, 2, 4, 5).reshape(-1, 32, 32, 1)
with h5py.File(sys.argv[2] + ".part", "w") as file:
    file[name] = quarters
    if len(sys.argv) > 3:
        file["labels"] = np.load(sys.argv[3])
PYTHON
  [[ -e $2 ]] || mv "$2.part" "$2"
}

# scenes DATASET OUT COUNT SEED: pictures of four digits each.
scenes() {
  [[ -e $2 ]] || python3 - "$@" <<'PYTHON'
import sys
import h5py
import numpy as np
source, target, count, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
with h5py.File(source) as file:
    images, labels = file["images"][:, :, :, 0], file["labels"][:]
random = np.random.default_rng(seed)
chosen = random.integers(len(images), size=4 * count)
places = random.integers(5, size=(4 * count, 2))
cells = np.zeros((4 * count, 32, 32), np.uint8)
for cell, number, (row, column) in zip(cells, chosen, places):
    cell[row : row + 28, column : column + 28] = images[number]
pictures = cells.reshape(count, 2, 2, 32, 32).transpose(0, 1, 3, 2, 4).reshape(count, 64, 64, 1)
np.save(target + ".labels.npy", labels[chosen].astype(np.int64))
with h5py.File(target + ".part", "w") as file:
    file["images"] = pictures
PYTHON
  [[ -e $2 ]] || mv "$2.part" "$2"
}

# train NAME SECONDS SETTINGS…: a run on the scenes.
train() {
  local run=$folder/$1 seconds=$2 code=0
  shift 2
  [[ ! -e $run/done ]] || return 0
  rm -rf "$run"
  "$ddpm_bin/ddpm-dist" train --run "$run" --data "$folder/scenes.h5" --steps 10000000 --batch 32 \
    --time-limit "0:$seconds" --set sample_every=0 checkpoint_every=1000000 learning_rate_schedule=constant \
    flip=false "$@" 2> "$run.log" > /dev/null || code=$?
  ((code == 75)) || { cat "$run.log" >&2; exit "$code"; }
  touch "$run/done"
}

scenes "$mnist" "$folder/scenes.h5" 20000 1
scenes "$test" "$folder/scenes-test.h5" 2000 2
cut_pictures "$folder/scenes.h5" "$folder/quarters.h5" "$folder/scenes.h5.labels.npy"
cut_pictures "$folder/scenes-test.h5" "$folder/quarters-test.h5" "$folder/scenes-test.h5.labels.npy"

seconds=$((minutes * 60))
denoiser=(prediction=v learning_rate=0.001 warmup_steps=100 clip_norm=1 average_decay=0.99 dropout=0
  heads=1 groups=8 blocks=1)
train pixels "$seconds" channels=32 'multipliers=[1, 2, 2, 4]' 'attention=[8]' "${denoiser[@]}"
train coder $((seconds / 4)) model=vae latent_network=convolutional latent_form=map 'latents=[3]' channels=16 \
  'multipliers=[1, 2, 4]' blocks=1 groups=8 decoder=normal decoder_deviation=fixed decoder_sigma=0.1 \
  kl_weight=0.1 clip_norm=10000 learning_rate=0.001 warmup_steps=100 average_decay=0.99
train latents $((seconds - seconds / 4)) latent="$folder/coder" channels=48 'multipliers=[1, 2, 2]' \
  'attention=[8]' "${denoiser[@]}"

pictures=()
for name in pixels latents; do
  file=$folder/$name.h5
  if [[ ! -e $file ]]; then
    began=$(date +%s.%N)
    "$ddpm_bin/ddpm-sample" --ckpt "$folder/$name" --count 1024 --sampler dpm-solver++ --steps 20 --out "$file" \
      > /dev/null 2> "$folder/$name-draw.log"
    awk -v a="$began" -v b="$(date +%s.%N)" 'BEGIN { printf "%.0f\n", b - a }' > "$folder/$name.seconds"
  fi
  "$ddpm_bin/ddpm-sample" --ckpt "$folder/$name" --count 16 --sampler dpm-solver++ --steps 20 --force \
    --out "$folder/$name.png" > /dev/null 2>&1
  cut_pictures "$file" "$folder/$name-quarters.h5"
  steps=$(python3 -c 'import json, sys; print(json.loads(open(sys.argv[1]).readlines()[-1])["step"])' \
    "$folder/$name/metrics.jsonl")
  echo "$name: $steps steps of 32 pictures; 1,024 pictures drawn in $(< "$folder/$name.seconds") s"
  pictures+=("$name=$folder/$name-quarters.h5")
done
# What the autoencoder alone makes of real pictures: as good as its latents' denoiser can be.
[[ -e $folder/back.h5 ]] || "$ddpm_bin/ddpm-sample" --ckpt "$folder/coder" \
  --reconstruct "$folder/scenes-test.h5" --images 0-1023 --out "$folder/back.h5" > /dev/null 2>&1
cut_pictures "$folder/back.h5" "$folder/back-quarters.h5"
pictures+=("through the autoencoder=$folder/back-quarters.h5")
python3 "$here/quality.py" --train "$folder/quarters.h5" --test "$folder/quarters-test.h5" \
  --classifier "$folder/classifier.pt" --real "${pictures[@]}"
