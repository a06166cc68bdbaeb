#!/usr/bin/env bash
# Makes the table of all models of the course at equal training time, on the embedded digits.
#
#   docs/course/models.sh FOLDER [SECONDS]
#
# Trains each model for SECONDS (60), or until its validation on the last 359 digits, which are held out, has
# not been better fifteen times; takes the best checkpoint, evaluates it on these, and prints Markdown. What
# is in FOLDER already is not trained again.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../../launch/env.sh"
if (($# < 1 || $# > 2)); then
  sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '$d' >&2
  exit 64
fi
folder=$1 seconds=${2:-60}
mkdir -p "$folder"

# model TITLE NAME CONFIG SETTINGS…: trains one, and prints its line.
model() {
  local title=$1 run=$folder/$2 config=$ddpm_root/configs/$3 code=0
  shift 3
  if [[ ! -e $run/done ]]; then
    rm -rf "$run"
    "$ddpm_bin/ddpm-dist" train --run "$run" --config "$config" --steps 10000000 \
      --time-limit "0:$seconds" --set sample_every=0 validation=0.2 validation_every=100 \
      validation_images=359 checkpoint_every=100 learning_rate_schedule=constant patience=15 "$@" \
      2> "$run.log" > /dev/null || code=$?
    ((code == 75 || code == 0)) || { cat "$run.log" >&2; exit "$code"; }
    touch "$run/done"
  fi
  local best=$run/checkpoints/best
  if [[ $title == Autoencoder* ]]; then
    "$ddpm_bin/ddpm-sample" --ckpt "$best" --reconstruct digits --images 1438-1796 \
      --out "$run/back.h5" > /dev/null 2>&1
  else
    "$ddpm_bin/ddpm-dist" evaluate --ckpt "$best" --part validation --output "$run/bound.csv" \
      > /dev/null 2> "$run/evaluate.log"
  fi
  python3 - "$title" "$run" <<'PYTHON'
import csv, json, pathlib, sys

title, run = sys.argv[1], pathlib.Path(sys.argv[2])
lines = (run / "metrics.jsonl").read_text().splitlines()
steps = json.loads(lines[-1])["step"]
best = int("".join(filter(str.isdigit, (run / "checkpoints/best").resolve().stem)))
if title.startswith("Autoencoder"):
    import h5py
    error = h5py.File(run / "back.h5")["squared_error"][:].mean()
    bits = f"none; loses {error:.4f} a pixel"
else:
    rows = [row for row in csv.DictReader((run / "bound.csv").open()) if row["term"] == "total"]
    row = min(rows, key=lambda row: float(row["bits_per_dim"]))
    bits = f"{float(row['bits_per_dim']):.3f} ± {float(row['bits_per_dim_error']):.3f}"
print(f"| {title} | {steps} | {best} | {bits} |", flush=True)
PYTHON
}

echo "| model | steps | best step | bits/dim, held out |"
echo "| --- | ---: | ---: | ---: |"
model "Autoencoder, 16 numbers" autoencoder digits-vae.yaml model=autoencoder \
  decoder_deviation=fixed
model "VAE" vae digits-vae.yaml
model "VAE of two layers, from below" two digits-hvae.yaml inference=bottom_up
model "VAE of two layers, from above" ladder digits-hvae.yaml
model "VAE of five layers, from above" five digits-hvae.yaml 'latents=[16, 12, 8, 6, 4]' \
  'hidden=[256, 128, 64, 64, 32]'
model "DDPM, the simple objective" simple digits.yaml
model "DDPM, the bound" bound digits-bound.yaml
[[ ! -e $ddpm_root/configs/digits-vdm.yaml ]] ||
  model "Variational diffusion" vdm digits-vdm.yaml
