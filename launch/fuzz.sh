#!/usr/bin/env bash
# Mutates files of every kind that the programs read, and has them read: more of what launch/test.sh
# does with 2,000. Every file must end in one line and the exit code 0, 64, 65 or 66.
#
#   launch/fuzz.sh                 100,000 files; on two cores about an hour
#   launch/fuzz.sh 5000            another number of files
#   launch/fuzz.sh 5000 --seed 7   other files
#
# What did not end so is kept in .build/fuzz-findings. Tests/Python/fuzz.py says how it is done.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/env.sh"

count=100000
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
  count=$1
  shift
fi

ddpm_python_environment
exec "$ddpm_venv/bin/python" "$ddpm_root/Tests/Python/fuzz.py" "$ddpm_bin" --count "$count" \
  --processes "$(nproc)" --keep "$ddpm_root/.build/fuzz-findings" "$@"
