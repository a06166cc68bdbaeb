#!/usr/bin/env bash
# Shows that no fault loses a run: what launch/test.sh does with a sample, at every point.
#
#   launch/build.sh && launch/faults.sh                  everything; about a quarter of an hour on two cores
#   launch/faults.sh --only power-loss                   one part, or several
#   launch/faults.sh --seed 7                            other random moments
#
# The parts:
#   kill-points    SIGKILL, ENOSPC and EIO, once and for ever, at every system call on the run's folder
#   power-loss     a few thousand states in which a loss of power may leave the disk
#   random-kills   fifty kills of ranks and of mpirun at random moments, on changing ranks
#
# Tests/Python/faults.py and the modules that it names say how it is done. It needs strace, and the right
# to watch processes with it: it installs Debian's package where that is missing, says so and ends with 69
# where it may not, and with 77 where strace may not watch. The last line reads "N passed, N failed"; the
# exit code is 0 only if nothing failed. Run it after a change to what is written to a run's folder.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/env.sh"

if [[ ! -x $ddpm_bin/ddpm-dist ]]; then
  echo "There is no $ddpm_bin/ddpm-dist yet: run launch/build.sh first." >&2
  exit 66
fi
"$here/setup.sh" --tests
if ! command -v strace >/dev/null; then
  echo "Please install the Debian package strace, then start again." >&2
  exit 69
fi
ddpm_python_environment
exec "$ddpm_venv/bin/python" "$ddpm_root/Tests/Python/faults.py" "$ddpm_bin" \
  --processes "$((3 * $(nproc)))" "$@"
