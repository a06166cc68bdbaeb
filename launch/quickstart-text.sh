#!/usr/bin/env bash
# From a fresh machine to pictures of sentences: installs, builds, draws scenes of digits with captions,
# trains on them, and draws what six prompts say.
#
#   launch/quickstart-text.sh           trains for about ten minutes
#   launch/quickstart-text.sh 1800      trains for about thirty
#
# The run is runs/quickstart-text. Started again, it trains on from where it stopped; delete that folder to
# start afresh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/env.sh"
cd "$ddpm_root"

seconds=${1:-600}
if [[ ! $seconds =~ ^[1-9][0-9]*$ ]]; then
  echo "Usage: launch/quickstart-text.sh [SECONDS]" >&2
  exit 64
fi
run=runs/quickstart-text
data=$run-scenes.h5
picture=$run/prompts.png
ranks=$(ddpm_power_of_two "$((ddpm_cores < 8 ? ddpm_cores : 8))")
prompts=(
  "two sevens side by side"
  "a three above a nine"
  "a nine below a three"
  "a four to the left of a one"
  "a two at the top right"
  "a single eight, in the middle"
)

echo "== Setting up"
"$here/setup.sh"
echo "== Building (some minutes the first time)"
"$here/build.sh"

if [[ ! -e $data ]]; then
  echo "== Drawing scenes of digits with captions"
  mkdir -p runs
  "$ddpm_bin/ddpm-dist" dataset make digit-scenes --output "$data"
fi

echo "== Training on $ranks ranks, about $seconds seconds"
code=0
"$here/run.sh" "$ranks" train --config configs/digit-scenes.yaml --data "$data" --run "$run" --resume \
  --steps 1000000 --time-limit "0:$seconds" --set sample_every=0 || code=$?
# 75: the time is over, and everything is saved.
if ((code != 0 && code != 75)); then exit "$code"; fi

echo "== Drawing what the prompts say"
words=()
for prompt in "${prompts[@]}"; do words+=(--prompt "$prompt"); done
"$ddpm_bin/ddpm-sample" --ckpt "$run" "${words[@]}" --guidance 3 --out "$picture"

echo
echo "The picture: $ddpm_root/$picture"
echo "Your own:    $ddpm_bin/ddpm-sample --ckpt $run --prompt \"a zero over a one\" --guidance 3"
echo "Again for better pictures: launch/quickstart-text.sh 1800"
