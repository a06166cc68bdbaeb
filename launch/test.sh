#!/usr/bin/env bash
# Runs every test: installs, builds, Swift tests, rank tests under mpirun, Python's reading of files,
# mutated files, and, where this machine can make them, faults at system calls and hosts that train over
# TCP.
#
#   launch/test.sh
#
# The last line reads "N passed, N failed"; the exit code is 0 only if nothing failed. A part that
# crashed, hung or ran no test counts as one failure more. docs/testing.md says how to run one test.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/env.sh"
cd "$ddpm_root"

# Tests start up to 8 ranks themselves.
ddpm_ranks 8
export NO_COLOR=1

passed=0
failed=0
summary=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# finish: the summary, and how it all ended.
finish() {
  printf '\n== Summary\n'
  ((${#summary[@]} == 0)) || printf '%s\n' "${summary[@]}"
  echo "$passed passed, $failed failed"
  if ((failed > 0)); then exit 1; fi
  exit 0
}

# counts: reads the log of a part, prints how many tests passed and how many failed in it.
#
# Swift Testing ends each test by `Test NAME passed after 0.1 seconds`; under mpirun, each rank
# does, behind a tag as in `[1,2]<stdout>:`. A test has passed where it passed on every rank.
# The Python test ends by a line that reads "N passed, N failed".
counts() {
  awk '
    { rank = "0"; line = $0 }
    match(line, /^\[[0-9]+,[0-9]+\]<std(out|err)>: ?/) {
      rank = substr(line, 1, index(line, "]")); line = substr(line, RLENGTH + 1)
    }
    line ~ /^[^ ]+ Test (run with|case passing) / { next }
    line ~ /^[^ ]+ Test .* passed after [0-9.]+ seconds( with .*)?\.$/ { all[rank]++ }
    line ~ /^[^ ]+ Test .* failed after [0-9.]+ seconds( with .*)?\.$/ { all[rank]++; bad[rank]++ }
    line ~ /^[0-9]+ passed, [0-9]+ failed$/ {
      split(line, word, " "); all[rank] += word[1] + word[3]; bad[rank] += word[3]
    }
    END {
      for (r in all) { if (all[r] > tests) tests = all[r]; if (bad[r] > worst) worst = bad[r] }
      print tests - worst, worst + 0
    }' "$log"
}

# part NAME SECONDS COMMAND…: runs one part of the tests and adds up what it says.
part() {
  local name=$1 limit=$2 status=0 good bad note="" stop=(timeout --kill-after=10)
  shift 2
  # mpirun ends its ranks itself, unless it is confused by the signals that `timeout` sends to
  # whole groups of processes: then it may crash and leave a rank behind.
  if [[ $1 == mpirun ]]; then stop+=(--foreground); fi
  printf '\n== %s\n' "$name"
  # What is shown leaves out that a test has begun: that it ended is a line of its own.
  "${stop[@]}" "$limit" "$@" </dev/null 2>&1 | tee "$log" | sed -u '/ started\.$/d' ||
    status=${PIPESTATUS[0]}
  read -r good bad < <(counts)
  if ((status == 124 || status == 137)); then
    note=" (stopped: longer than $limit seconds)"
  elif ((status != 0 && bad == 0)); then
    note=" (ended with exit code $status)"
  elif ((good + bad == 0)); then
    note=" (ran no test)"
  fi
  if [[ -n $note ]]; then bad=$((bad + 1)); fi
  passed=$((passed + good))
  failed=$((failed + bad))
  summary+=("$(printf '  %-28s %4d passed, %d failed%s' "$name" "$good" "$bad" "$note")")
}

# step NAME COMMAND…: what the tests need; where it fails, there is nothing to test.
step() {
  local name=$1
  shift
  printf '\n== %s\n' "$name"
  if ! "$@" </dev/null; then
    failed=$((failed + 1))
    summary+=("  $name: failed")
    finish
  fi
}

step "Setting up" "$here/setup.sh" --tests
step "Building" "$here/build.sh" --tests

part "Modules" 60 python3 Tests/Python/check_imports.py

# One after the other: some start child processes, which hold on to a moment's open files of the
# others, and with them to HDF5's locks.
part "Swift tests" 300 \
  swift test "${ddpm_swift_flags[@]}" --skip-build --disable-xctest --no-parallel \
  --skip CommandTests
# By themselves: Swift Testing's exit tests wait for any child of their process, and can take those
# from Foundation's Process, which then waits for ever. Several at a time: a program that is being started
# holds the tests' own open files for a moment, so these go without HDF5's locks; the programs have them.
part "Commands" 900 \
  env HDF5_USE_FILE_LOCKING=FALSE swift test "${ddpm_swift_flags[@]}" --skip-build --disable-xctest --filter CommandTests

tests=$ddpm_bin/ddpm-distPackageTests.xctest
# All ranks must run the same tests in the same order: one module at a time, nothing in parallel.
for ranks in 1 2 3 4; do
  for module in MPITests ParallelTests TrainingTests PreflightTests; do
    part "$module, mpirun -n $ranks" 120 \
      mpirun -n "$ranks" --bind-to none --tag-output \
      "$tests" --testing-library swift-testing --no-parallel --filter "$module.*RankTests"
  done
done

step "Python environment" ddpm_python_environment
part "Files, as h5py reads them" 240 "$ddpm_venv/bin/python" Tests/Python/test_files.py "$ddpm_bin"
part "Installation" 120 python3 Tests/Python/test_install.py
part "Comparison with PyTorch" 60 "$ddpm_venv/bin/python" Tests/Python/test_comparison.py

part "Job scripts" 240 "$ddpm_venv/bin/python" Tests/Python/test_jobs.py "$ddpm_bin"

part "Mutated files" 180 "$ddpm_venv/bin/python" Tests/Python/fuzz.py "$ddpm_bin" \
  --keep "$ddpm_root/.build/fuzz-findings"

# A sample of launch/faults.sh.
if why=$(strace -f -o /dev/null true 2>&1); then
  part "Faults at system calls" 120 "$ddpm_venv/bin/python" Tests/Python/faults.py "$ddpm_bin" \
    --sample 90 --processes "$((3 * $(nproc)))"
else
  printf '\n== Faults at system calls\nSkipped: %s\n' "$why"
  summary+=("$(printf '  %-28s skipped: %s' "Faults at system calls" "$why")")
fi

# Needs a kernel and rights that not every machine has: then the check ends with 77.
code=0
why=$("$here/hosts.sh" --check 2 2>&1) || code=$?
if ((code == 77)); then
  printf '\n== Hosts, over TCP\n%s\n' "$why"
  summary+=("$(printf '  %-28s %s' "Hosts, over TCP" "$why")")
else
  part "Hosts, over TCP" 240 "$ddpm_venv/bin/python" Tests/Python/test_hosts.py "$ddpm_bin"
fi

finish
