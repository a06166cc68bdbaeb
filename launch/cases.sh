#!/usr/bin/env bash
# Runs the tests of the commands over all of their cases: launch/test.sh tries each wrong call on two
# ranks, a part of them on one and as a dry run, and each command with two kinds of broken streams.
#
#   launch/cases.sh
#
# Run it after a change to what commands refuse, or to their streams.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/env.sh"
"$here/build.sh" --tests
cd "$ddpm_root"

# Tests start up to 8 ranks themselves; why without locks, launch/test.sh says.
ddpm_ranks 8
export NO_COLOR=1 DDPM_ALL_CASES=1 HDF5_USE_FILE_LOCKING=FALSE
exec swift test "${ddpm_swift_flags[@]}" --skip-build --disable-xctest --filter CommandTests
