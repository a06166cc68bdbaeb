#!/usr/bin/env bash
# From a fresh machine to pictures: installs, builds, trains on the embedded digits, samples.
#
#   launch/quickstart.sh              trains for about a minute
#   launch/quickstart.sh 600          trains for about ten
#
# The run is runs/quickstart. Started again, it trains on from where it stopped, for another
# minute, and draws better digits; delete that folder to start afresh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/env.sh"
cd "$ddpm_root"

seconds=${1:-60}
if [[ ! $seconds =~ ^[1-9][0-9]*$ ]]; then
  echo "Usage: launch/quickstart.sh [SECONDS]" >&2
  exit 64
fi
run=runs/quickstart
picture=$run/digits.png
trial=20 # steps that measure the machine's speed
ranks=$(ddpm_power_of_two "$((ddpm_cores < 8 ? ddpm_cores : 8))")

# newest_checkpoint: prints the path of the newest checkpoint, or nothing.
newest_checkpoint() {
  local checkpoints=("$run"/checkpoints/step-*.h5)
  [[ ! -e ${checkpoints[0]} ]] || echo "${checkpoints[-1]}"
}

# train_until STEP: trains on from the newest checkpoint, or from the beginning.
train_until() {
  "$here/run.sh" "$ranks" train --run "$run" --steps "$1" --resume --set sample_every=0
}

echo "== Setting up"
"$here/setup.sh"
echo "== Building (some minutes the first time)"
"$here/build.sh"

done_steps=$(newest_checkpoint | sed -nE 's/.*step-0*([0-9]+)\.h5$/\1/p')
done_steps=${done_steps:-0}
echo "== Training on $ranks ranks: $trial steps to see how fast this machine is"
train_until $((done_steps + trial))
# The last line of the metrics says how many seconds these steps took.
took=$(tail -n 1 "$run/metrics.jsonl" | sed -E 's/.*"seconds":([0-9.]+).*/\1/')
steps=$(awk -v trial="$trial" -v seconds="$seconds" -v took="$took" \
  'BEGIN { print int(trial * seconds / took) }')

if ((steps > trial)); then
  echo "== Training to step $((done_steps + steps)), about $seconds seconds"
  train_until $((done_steps + steps))
fi

echo "== Sampling"
"$ddpm_bin/ddpm-sample" --ckpt "$run" --count 64 --out "$picture"

echo
echo "The picture:    $ddpm_root/$picture"
echo "The checkpoint: $ddpm_root/$(newest_checkpoint)"
echo "Again for better digits: launch/quickstart.sh 600"
