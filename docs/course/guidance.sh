#!/usr/bin/env bash
# Makes a table of what guidance trades, on MNIST: accuracy up, variety down.
#
#   docs/course/guidance.sh FOLDER mnist.h5 test.h5
#
# Trains a network of configs/mnist.yaml that is told the digit, 3,000 steps, draws 100 images of each
# digit for several strengths of guidance, and prints the table of docs/course/quality.py, which needs
# PyTorch. What is in FOLDER already is not made again. DDPM_STEPS: another number of steps.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../../launch/env.sh"
if (($# != 3)); then
  sed -n '2,/^set/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | sed '$d' >&2
  exit 64
fi
folder=$1 train=$2 test=$3
steps=${DDPM_STEPS:-3000}
mkdir -p "$folder"

run=$folder/mnist-classes
"$ddpm_bin/ddpm-dist" train --run "$run" --resume --config "$ddpm_root/configs/mnist.yaml" \
  --data "$train" --steps "$steps" \
  --set condition=class prediction=v schedule=cosine learning_rate_schedule=cosine \
  "keep_checkpoints=$((steps / 500))" sample_every=0

early=$run/checkpoints/$(printf 'step-%08d.h5' 500)
samples=()

# draw FILE NAME OPTIONS…: 100 images of each digit.
draw() {
  local file=$folder/$1 name=$2
  shift 2
  [[ -e $file.h5 ]] ||
    "$ddpm_bin/ddpm-sample" --ckpt "$run" --class all --count 1000 --sampler dpm-solver++ --steps 20 \
      --out "$file.h5" "$file.png" "$@" > /dev/null
  samples+=("$name=$file.h5")
}

for scale in 0 1 1.5 2 3 5; do draw "scale-$scale" "s is $scale" --guidance "$scale"; done
draw interval "s is 3 from 0.3 to 5" --guidance 3 --guidance-interval 0.3,5
draw rescaled "s is 3, rescaled" --guidance 3 --guidance-rescale 0.7
[[ ! -e $early ]] || draw early "s is 2, by step 500" --guidance 2 --guide-with "$early"

python3 "$here/quality.py" --train "$train" --test "$test" --classifier "$folder/classifier.pt" --real \
  "${samples[@]}"
