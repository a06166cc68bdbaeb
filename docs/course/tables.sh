#!/usr/bin/env bash
# Makes every table of docs/course.md: trains on the embedded digits and on data whose likelihood is
# known, evaluates, samples, and prints Markdown.
#
#   docs/course/tables.sh [FOLDER] [TABLE ...]
#
# FOLDER (default: course-runs) keeps runs and results; what is there is not made again. The tables
# are prior, known, decompositions, table2, variances, progressive and bound; all take about a
# quarter of an hour on two cores. More are made where they are named:
#
#   mnist        from the datasets MNIST_TRAIN and MNIST_TEST (see ddpm-dist dataset import idx), in
#                another quarter of an hour
#   samplers     MNIST by many samplers, half an hour; its pictures go to docs/images
#   orders       the orders of the solvers on MNIST, a figure of docs/images
#   few, eta     digits in few steps: the bound, and how good samples are
#   strips       what is made of digits beside images from noise, pictures of docs/images
#
# samplers and orders are made after mnist.
#
# Those of samples need PYTHON (default: python3) to have torch, numpy and h5py, as
# docs/course/quality.py says.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${1:-course-runs}
[ $# -gt 0 ] && shift
tables=("$@")
[ ${#tables[@]} -gt 0 ] || tables=(prior known decompositions table2 variances progressive bound)
program=.build/release/ddpm-dist
sampler=.build/release/ddpm-sample
python=${PYTHON:-python3}
[ -x "$program" ] || { echo "docs/course/tables.sh: build first with launch/build.sh" >&2; exit 1; }
mkdir -p "$folder"

# train NAME OPTIONS...: a run, unless it is there.
train() {
  local name=$1
  shift
  [ -e "$folder/$name/done" ] && return
  local again=()
  # What was begun here, or by hand, goes on; the program refuses it where settings differ.
  [ -e "$folder/$name/checkpoints" ] && again=(--resume)
  "$program" train --run "$folder/$name" "${again[@]}" "$@" 2> "$folder/$name.log"
  touch "$folder/$name/done"
}

# evaluate NAME OPTIONS...: a JSON report, unless it is there; prints its path.
evaluate() {
  local report=$folder/$1.json
  shift
  [ -e "$report" ] || "$program" evaluate "$@" --output "$report" > "$report.txt" 2> "$report.log"
  echo "$report"
}

# show REPORT CODE: runs Python with the report as r.
show() {
  python3 - "$1" <<PYTHON
import json, sys
r = json.load(open(sys.argv[1]))
estimates = {e["name"]: e for e in r["estimates"]}
def cost(name): return f'{estimates[name]["total"]:.3f} ± {estimates[name]["error"]:.3f}' if name in estimates else "–"
def term(name, term): return next(t["mean"] for t in estimates[name]["terms"] if t["name"] == term)
$2
PYTHON
}

held_out=(--set validation=0.2 validation_every=0 sample_every=0)

prior() {
  echo '| schedule | T | L_T, bits/dim |'
  echo '| --- | ---: | ---: |'
  local schedule steps zero
  for row in linear:50:false linear:200:false linear:1000:false cosine:50:false cosine:200:false \
    sigmoid:200:false linear:1000:true; do
    IFS=: read -r schedule steps zero <<< "$row"
    train "prior-$schedule-$steps-$zero" --steps 1 --set schedule="$schedule" \
      diffusion_steps="$steps" zero_terminal_snr="$zero" prediction=v sample_every=0
    report=$(evaluate "prior-$schedule-$steps-$zero" \
      --ckpt "$folder/prior-$schedule-$steps-$zero" --count 256 --variance fixed_small)
    show "$report" "
zero = ', zero terminal SNR' if '$zero' == 'true' else ''
print(f'| $schedule{zero} | $steps | {term(\"fixed_small\", \"L_$steps\"):.2g} |')"
  done
}

known() {
  echo '| data | truth | fixed_large | fixed_small | analytic |'
  echo '| --- | ---: | ---: | ---: | ---: |'
  local name
  for name in gaussian mixture coin; do
    [ -e "$folder/$name.h5" ] \
      || "$program" dataset make $name --output "$folder/$name.h5" > "$folder/$name.txt"
    train "known-$name" --data "$folder/$name.h5" --steps 1500 \
      --set objective=bound prediction=v variance=fixed_large channels=16 groups=4 sample_every=0
    [ -e "$folder/known-$name.h5" ] || "$program" estimate-variance --ckpt "$folder/known-$name" \
      --data "$folder/$name.h5" --count 1000 --output "$folder/known-$name.h5" > /dev/null \
      2> "$folder/known-$name.log"
    report=$(evaluate "known-$name" --ckpt "$folder/known-$name.h5" --data "$folder/$name.h5" \
      --count 1000)
    show "$report" "
print(f'| $name, {r[\"unit\"]} | {r[\"truth\"]:.3f} | ' + ' | '.join(cost(v) for v in ('fixed_large', 'fixed_small', 'analytic')) + ' |')"
  done
}

digits() { train digits "${held_out[@]}"; }

decompositions() {
  digits
  report=$(evaluate decompositions --ckpt "$folder/digits" --part validation --count 128 \
    --method neighbours --draws 4)
  show "$report" "
one, own = (table['rows'][0] for table in r['tables'])
print('| decomposition | bound, bits/dim | deviation of one trajectory | of a trajectory for each term |')
print('| --- | ---: | ---: | ---: |')
print(f'| from posteriors | {cost(\"posteriors\")} | {one[0]:.3f} | {own[0]:.3f} |')
print(f'| from neighbouring steps | {cost(\"neighbours\")} | {one[1]:.3f} | {own[1]:.3f} |')"
}

table2() {
  echo '| prediction | objective | variance | bound, bits/dim |'
  echo '| --- | --- | --- | ---: |'
  local prediction objective variance
  for prediction in epsilon clean v mean; do
    for row in simple:fixed_small bound:fixed_small bound:learned hybrid:learned; do
      IFS=: read -r objective variance <<< "$row"
      name=table2-$prediction-$objective-$variance
      train "$name" "${held_out[@]}" steps=1000 prediction=$prediction objective="$objective" \
        variance="$variance"
      report=$(evaluate "$name" --ckpt "$folder/$name" --part validation --variance "$variance")
      show "$report" "print('| $prediction | $objective | $variance | ' + cost('$variance') + ' |')"
    done
  done
}

variances() {
  digits
  [ -e "$folder/digits-analytic.h5" ] || "$program" estimate-variance --ckpt "$folder/digits" \
    --part train --output "$folder/digits-analytic.h5" > /dev/null 2> "$folder/digits-analytic.log"
  echo '| K | grid | fixed_large | fixed_small | analytic |'
  echo '| ---: | --- | ---: | ---: | ---: |'
  local steps grid
  for steps in 5 10 25 50 200; do
    for grid in linspace optimal; do
      [ "$steps$grid" = 200optimal ] && continue
      report=$(evaluate "variances-$steps-$grid" --ckpt "$folder/digits-analytic.h5" \
        --part validation --steps "$steps" --grid "$grid")
      show "$report" "print('| $steps | $grid | ' + ' | '.join(cost(v) for v in ('fixed_large', 'fixed_small', 'analytic')) + ' |')"
    done
  done
}

progressive() {
  digits
  report=$(evaluate progressive --ckpt "$folder/digits" --part validation)
  show "$report" "
rows = r['tables'][0]['rows']
print('| t | rate, bits/dim | distortion, RMSE of 0…255 |')
print('| ---: | ---: | ---: |')
for t, rate, rmse in [rows[i * (len(rows) - 1) // 10] for i in range(11)]:
    print(f'| {t:.0f} | {rate:.4f} | {rmse:.1f} |')"
}

bound() {
  train bound --config configs/digits-bound.yaml --set validation_every=0 sample_every=0
  [ -e "$folder/bound-analytic.h5" ] || "$program" estimate-variance --ckpt "$folder/bound" \
    --part train --output "$folder/bound-analytic.h5" > /dev/null 2> "$folder/bound-analytic.log"
  report=$(evaluate bound --ckpt "$folder/bound-analytic.h5" --part validation)
  show "$report" "
print('| model | variance | bits/dim of the held-out digits |')
print('| --- | --- | ---: |')
print('| independent pixels | | 2.387 |')
for v in ('fixed_small', 'fixed_large', 'analytic', 'learned'):
    print(f'| configs/digits-bound.yaml | {v} | {cost(v)} |')"
}

mnist() {
  local train=${MNIST_TRAIN:?names the dataset of the training images}
  local test=${MNIST_TEST:?names the dataset of the test images}
  train mnist --config configs/mnist.yaml --data "$train" --steps 6000 --set prediction=v \
    objective=hybrid variance=learned learning_rate_schedule=cosine sample_every=0
  [ -e "$folder/mnist-analytic.h5" ] || "$program" estimate-variance --ckpt "$folder/mnist" \
    --data "$train" --count 64 --output "$folder/mnist-analytic.h5" > /dev/null \
    2> "$folder/mnist-analytic.log"
  echo '| steps | images | learned | fixed_large | fixed_small | analytic |'
  echo '| ---: | ---: | ---: | ---: | ---: | ---: |'
  local steps count
  for row in 1000:512 50:10000; do
    IFS=: read -r steps count <<< "$row"
    report=$(evaluate "mnist-$steps" --ckpt "$folder/mnist-analytic.h5" --data "$test" \
      --steps "$steps" --count "$count")
    show "$report" "print('| $steps | $count | ' + ' | '.join(cost(v) for v in ('learned', 'fixed_large', 'fixed_small', 'analytic')) + ' |')"
  done
}

# draw NAME OPTIONS...: samples as HDF5, unless they are there.
draw() {
  local name=$1
  shift
  [ -e "$folder/$name.h5" ] || "$sampler" "$@" --out "$folder/$name.h5" --resume > /dev/null \
    2> "$folder/$name.log"
}

# digits_quality OPTIONS...: how good samples of digits are, by a classifier of the digits.
digits_quality() {
  local part
  for part in train test; do
    [ -e "$folder/digits-$part.h5" ] || "$python" docs/course/split_digits.py "$folder"
  done
  "$python" docs/course/quality.py --train "$folder/digits-train.h5" \
    --test "$folder/digits-test.h5" --classifier "$folder/digits.pt" "$@"
}

# The bound and samples in few steps, by each variance (Bao et al. 2022, table 1, in small).
few() {
  [ -e "$folder/bound-analytic.h5" ] || bound > /dev/null
  local steps variance report arguments=()
  echo '| K | bits/dim: fixed_small | fixed_large | analytic | learned |'
  echo '| ---: | ---: | ---: | ---: | ---: |'
  for steps in 5 10 25 50 200; do
    report=$(evaluate "few-$steps" --ckpt "$folder/bound-analytic.h5" --part validation \
      --steps "$steps")
    show "$report" "
print('| $steps | ' + ' | '.join(cost(v) for v in ('fixed_small', 'fixed_large', 'analytic', 'learned')) + ' |')"
    for variance in fixed_small fixed_large analytic learned; do
      draw "few-$variance-$steps" --ckpt "$folder/bound-analytic.h5" --count 2000 --steps "$steps" \
        --variance "$variance"
      arguments+=("$variance, K = $steps=$folder/few-$variance-$steps.h5")
    done
    draw "few-ddim-$steps" --ckpt "$folder/bound-analytic.h5" --count 2000 --steps "$steps" \
      --sampler ddim
    draw "few-analytic-ddim-$steps" --ckpt "$folder/bound-analytic.h5" --count 2000 \
      --steps "$steps" --sampler analytic-ddim
    arguments+=("ddim, K = $steps=$folder/few-ddim-$steps.h5"
      "analytic-ddim, K = $steps=$folder/few-analytic-ddim-$steps.h5")
  done
  digits_quality "${arguments[@]}"
}

# The noise of DDIM (Song et al. 2021, table 1, in small).
eta() {
  digits
  local steps eta arguments=()
  for eta in 0 0.2 0.5 1 fixed_large; do
    for steps in 5 10 25 50 200; do
      if [ "$eta" = fixed_large ]; then
        draw "eta-$eta-$steps" --ckpt "$folder/digits" --count 2000 --steps "$steps" \
          --variance fixed_large --grid trailing
      else
        draw "eta-$eta-$steps" --ckpt "$folder/digits" --count 2000 --steps "$steps" \
          --sampler ddim --eta "$eta"
      fi
      arguments+=("$eta, K = $steps=$folder/eta-$eta-$steps.h5")
    done
  done
  digits_quality "${arguments[@]}"
}

# How the errors of the solvers fall with their evaluations.
orders() {
  "$python" docs/course/orders.py "$folder/mnist" "$folder" docs/images/orders.svg
}

# What is made of digits beside images from noise.
strips() {
  digits
  [ -e "$folder/half.png" ] || "$python" docs/course/split_digits.py --mask "$folder/half.png"
  local options=(--ckpt "$folder/digits")
  "$sampler" "${options[@]}" --count 4 --frames 12 --trajectory --out docs/images/ways.png
  "$sampler" "${options[@]}" --interpolate 1,2 --frames 12 --count 60 --out docs/images/between.png
  "$sampler" "${options[@]}" --inpaint digits --mask "$folder/half.png" --images 1440-1463 \
    --out docs/images/painted.png
  "$sampler" "${options[@]}" --from digits --noise-level 80 --images 1440-1463 \
    --out docs/images/variations.png
  local steps
  echo '| steps there, and back | mean square lost, of 0 … 1 |'
  echo '| ---: | ---: |'
  for steps in 10 20 50 100 200; do
    "$sampler" "${options[@]}" --encode digits --images 1438-1796 --steps "$steps" \
      --out "$folder/encoded-$steps.h5" > /dev/null 2> "$folder/encoded-$steps.log"
    sed -nE "s/.*mean square of ([0-9.e-]+) .*/| $steps | \1 |/p" "$folder/encoded-$steps.log"
  done
}

# MNIST by many samplers: how good samples are, and what they look like.
samplers() {
  local count=${SAMPLES:-1000} row name options arguments=()
  local test=${MNIST_TEST:?names the dataset of the test images}
  for row in "ancestral, 1000:--sampler ancestral" "ddim, 50:--sampler ddim --steps 50" \
    "dpm-solver++, 20:--sampler dpm-solver++ --steps 20" \
    "dpm-solver++, 10:--sampler dpm-solver++ --steps 10" \
    "sde-dpm-solver++, 20:--sampler sde-dpm-solver++ --steps 20" \
    "unipc, 10:--sampler unipc --steps 10" "unipc, 20:--sampler unipc --steps 20" \
    "heun, 18 (35):--sampler heun" "euler, 50:--sampler euler --steps 50" \
    "rk45, 1e-3:--sampler rk45 --tolerance 1e-3" "ddim, 10:--sampler ddim --steps 10" \
    "ancestral, 20:--sampler ancestral --steps 20" \
    "predictor-corrector, 50 (100):--sampler predictor-corrector --steps 50"; do
    name=mnist-${row%%:*}
    name=${name//[ (),]/-}
    read -ra options <<< "${row#*:}"
    draw "$name" --ckpt "$folder/mnist" --count "$count" "${options[@]}"
    arguments+=("${row%%:*}=$folder/$name.h5")
  done
  "$python" docs/course/quality.py --train "${MNIST_TRAIN:?}" --test "$test" \
    --classifier "$folder/mnist.pt" --real "${arguments[@]}"
  "$sampler" --ckpt "$folder/mnist" --count 64 --out docs/images/mnist-ancestral.png
  "$sampler" --ckpt "$folder/mnist" --count 64 --sampler ddim --steps 50 \
    --out docs/images/mnist-ddim.png
  "$sampler" --ckpt "$folder/mnist" --count 64 --sampler dpm-solver++ --steps 20 \
    --out docs/images/mnist-dpm-solver.png
}

for table in "${tables[@]}"; do
  echo "<!-- $table -->"
  "$table"
  echo
done
