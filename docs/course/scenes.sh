#!/usr/bin/env bash
# Makes a table of how many pictures of digit scenes show what their captions say.
#
#   docs/course/scenes.sh FOLDER [STEPS]
#
# Draws scenes, trains configs/digit-scenes.yaml for STEPS (12,000) steps, draws 1,000 pictures for captions
# of scenes that were seen and as many for those of combinations that were held out, for several strengths
# of guidance, and prints the table of docs/course/scenes.py, which needs NumPy and h5py. What is in FOLDER
# already is not made again.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../../launch/env.sh"
if (($# < 1 || $# > 2)); then
  sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '$d' >&2
  exit 64
fi
folder=$1 steps=${2:-12000}
mkdir -p "$folder"
train=$folder/scenes.h5 other=$folder/held-out.h5 run=$folder/run-$steps

[[ -e $train ]] || "$ddpm_bin/ddpm-dist" dataset make digit-scenes --output "$train"
[[ -e $other ]] ||
  "$ddpm_bin/ddpm-dist" dataset make digit-scenes --part held-out --count 1000 --output "$other"
# 1,000 captions of each, one of those that an image has.
for part in scenes held-out; do
  [[ -e $folder/$part.txt ]] || python3 - "$folder/$part.h5" > "$folder/$part.txt" <<'PYTHON'
import sys
import h5py
with h5py.File(sys.argv[1]) as file:
    captions = file["captions"]
    step = len(captions) // 1000
    for number in range(1000):
        row = captions[number * step]
        print((row if captions.ndim == 1 else row[number % len(row)]).decode())
PYTHON
done

"$here/../../launch/run.sh" "${DDPM_RANKS:-$(ddpm_power_of_two "$ddpm_cores")}" train --run "$run" --resume \
  --config "$ddpm_root/configs/digit-scenes.yaml" --data "$train" --steps "$steps" --set sample_every=0

pictures=()
for scale in 1 2 3 5; do
  for part in scenes held-out; do
    file=$folder/$part-$steps-$scale.h5
    [[ -e $file ]] || "$ddpm_bin/ddpm-sample" --ckpt "$run" --prompts "$folder/$part.txt" --count 1000 \
      --sampler dpm-solver++ --steps 20 --guidance "$scale" --out "$file" > /dev/null
    pictures+=("s = $scale=$file")
  done
done
python3 "$here/scenes.py" --train "$train" --held-out "$other" "${pictures[@]}"
