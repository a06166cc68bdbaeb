#!/usr/bin/env bash
# Tests `ddpm-dist job slurm` with a real Slurm of two nodes, which this script makes on this machine.
#
#   launch/build.sh && launch/test-slurm.sh [CASE…]
#
# The cases, all of them at the same time; some minutes in all:
#   limit    USR1 at the time limit, a checkpoint, exit code 75, a requeue, and the same once more by
#            `scancel`: each step is done once, and the result has the bits of an uninterrupted run
#   srun     the same with srun in mpirun's place, and with no checkpoint due within the time
#   array    four seeds of an array, on one node each, all requeued
#   chain    three jobs that wait for each other bring a run to its end, a fourth finds it done
#   trial    what Slurm would not take is refused by its trial, and nothing is submitted
#   stuck    a job that makes no step is started three times, and no more
#   killed   kill -9 of a rank under srun ends the job
#
# Slurm (slurmctld, two slurmd, munged) lives in namespaces of its own, each node with a name, an
# address and a cable to a switch; configuration and keys are in a temporary folder. All of it ends with
# this script, however that ends, and nothing is left, nor made known outside.
#
# It needs root, and installs slurmctld, slurmd, slurm-client and munge where they are missing; where it
# may not, it says what is missing and exits with 69, and with 77 where namespaces cannot be made. The
# last line says how many assertions passed; the exit code is 0 only if none failed.
# shellcheck disable=SC2317 # the cases are called by their names
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/env.sh"
cd "$ddpm_root"

# Outside: what is needed, and then this script once more within new namespaces.
if [[ -z ${DDPM_SLURM_FOLDER:-} ]] || (($$ != 1)); then
  for name; do
    if [[ ! " limit srun array chain trial stuck killed " == *" $name "* ]]; then
      echo "test-slurm.sh: \"$name\" is no case; see the first lines of this script." >&2
      exit 64
    fi
  done
  if ((EUID != 0)); then
    echo "Slurm's daemons need root: start this script as root." >&2
    exit 69
  fi
  if [[ ! -x $ddpm_bin/ddpm-dist ]]; then
    echo "There is no $ddpm_bin/ddpm-dist yet: run launch/build.sh first." >&2
    exit 66
  fi
  missing=()
  for pair in slurmctld:slurmctld slurmd:slurmd sbatch:slurm-client munged:munge ip:iproute2 \
    pgrep:procps; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
  done
  python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
  if ((${#missing[@]} > 0)); then
    # The packages would start daemons for the whole machine, which are not wanted here.
    if ! { command -v apt-get && apt-get update -qq &&
      DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install --yes --no-install-recommends \
        "${missing[@]}"; } </dev/null >/dev/null; then
      echo "Please install what these Debian packages hold, then start again: ${missing[*]}" >&2
      exit 69
    fi
  fi
  ddpm_python_environment

  inside=(unshare --net --uts --ipc --mount --pid --fork --mount-proc --kill-child)
  if ! why=$("${inside[@]}" true 2>&1); then
    echo "Skipped: there can be no new namespaces here: $why" >&2
    exit 77
  fi
  DDPM_SLURM_FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/ddpm-slurm.XXXXXX")
  export DDPM_SLURM_FOLDER
  child=""
  clean() {
    [[ -z $child ]] || kill -KILL "$child" || true
    wait || true
    rm -rf "$DDPM_SLURM_FOLDER"
  } 2>/dev/null
  trap clean EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  # Should this script be killed, the kernel ends `unshare`, and with it every process inside.
  setpriv --pdeathsig KILL "${inside[@]}" "${BASH_SOURCE[0]}" "$@" </dev/null &
  child=$!
  status=0
  wait "$child" || status=$?
  exit "$status"
fi

# Inside: this process is the first of its namespaces; when it ends, all of them do.
folder=$DDPM_SLURM_FOLDER
unset DDPM_SLURM_FOLDER
chmod 755 "$folder"

# -- Two nodes and a controller

hostname controller
# Private: segments of a rank that was killed go with it.
mount -t tmpfs tmpfs /dev/shm
ip link set lo up
ip link add switch type bridge
ip address add 10.98.0.254/24 dev switch
ip link set switch up
printf '127.0.0.1 localhost\n10.98.0.254 controller\n' >"$folder/hosts"
for i in 1 2; do
  name=n$i
  network=$folder/$name.network
  mkdir "$folder/$name"
  touch "$network" "$folder/$name.uts"
  unshare --net="$network" --uts="$folder/$name.uts" hostname "$name"
  ip link add "port$i" type veth peer name eth0 netns "$network"
  ip link set "port$i" master switch up
  nsenter --net="$network" ip address add "10.98.0.$i/24" dev eth0
  nsenter --net="$network" ip link set eth0 up
  nsenter --net="$network" ip link set lo up
  echo "10.98.0.$i $name" >>"$folder/hosts"
done
mount --bind "$folder/hosts" /etc/hosts

# -- Slurm: cred_expire makes a requeued job wait for some seconds instead of two minutes.

mkdir "$folder/munge" "$folder/state"
chmod 711 "$folder/munge"
head -c 128 /dev/urandom >"$folder/munge/key"
chmod 400 "$folder/munge/key"
cat >"$folder/slurm.conf" <<CONF
ClusterName=ddpm-test
SlurmctldHost=controller(10.98.0.254)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket,cred_expire=5
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/%n
TmpFS=$folder/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/%n/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
JobRequeue=1
KillWait=5
MinJobAge=600
SlurmdParameters=config_overrides
NodeName=n1 NodeAddr=10.98.0.1 CPUs=16
NodeName=n2 NodeAddr=10.98.0.2 CPUs=16
PartitionName=test Nodes=n[1-2] Default=YES OverSubscribe=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$folder/slurm.conf

munged --foreground --force --socket="$folder/munge/socket" --key-file="$folder/munge/key" \
  --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" \
  >"$folder/munged.out" 2>&1 &
slurmctld -D >"$folder/slurmctld.out" 2>&1 &
for name in n1 n2; do
  nsenter --net="$folder/$name.network" --uts="$folder/$name.uts" \
    slurmd -D -N "$name" >"$folder/$name.out" 2>&1 &
done

# -- What the cases are written with

# check TEXT COMMAND…: one assertion.
check() {
  if "${@:2}"; then echo "  passed: $1"; else echo "  FAILED: $1"; fi
}

# await SECONDS COMMAND…: until the command succeeds; fails where it does not in time.
await() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    if ((SECONDS >= end)); then return 1; fi
    sleep 0.2
  done
}

# What all jobs ask of two small nodes, which they share.
export XDG_CONFIG_HOME=$folder/defaults
mkdir -p "$XDG_CONFIG_HOME/ddpm-dist"
cat >"$XDG_CONFIG_HOME/ddpm-dist/job.yaml" <<YAML
nodes: 2
ranks_per_node: 2
cores: 2
time: 10
exclusive: false
extra: [--oversubscribe]
program: $ddpm_bin/ddpm-dist
YAML

# submit NAME [options of ddpm-dist job]: prints the job's number. Its configuration is NAME.yaml, its log
# NAME.log, its run NAME, all in the folder. That folder may be in memory, which the nodes see here: the
# checks would refuse it.
submit() {
  local name=$1
  shift
  "$ddpm_bin/ddpm-dist" job slurm --no-check --submit --log "$folder/$name.log" "$@" -- \
    train --config "$folder/${name%-%a}.yaml" --run "$folder/${name%-%a}"
}

# configure NAME STEPS [SETTING…]: a small network. Its run is as long as a case wants it, however fast
# the machine: STEPS are many at first, and few more than are done once the job waits in the queue.
configure() {
  printf '%s\n' "steps: $2" 'batch: 32' 'channels: 8' 'groups: 4' 'diffusion_steps: 20' \
    'sample_every: 0' "${@:3}" >"$folder/$1.yaml"
}

# field JOB NAME: what Slurm knows of a job, as `field 3 JobState`.
field() { scontrol --oneliner show job "$1" | grep -oP "(?<= )$2=\K\S*" | head -n 1; }

# newest_step RUN: prints the step of the newest checkpoint; 0 where there is none.
newest_step() {
  local step=0 path
  for path in "$folder/$1"/checkpoints/step-*.h5; do
    path=${path##*/step-}
    path=${path%.h5}
    if [[ $path =~ ^[0-9]+$ ]] && ((10#$path > step)); then step=$((10#$path)); fi
  done
  echo "$step"
}

# Conditions to await: the job's state; that it is queued for the Nth time again; that its run is beyond
# a step.
is_in() { [[ $(field "$1" JobState) == "$2" ]]; }
has_ended() { [[ ! $(field "$1" JobState) =~ ^(PENDING|CONFIGURING|RUNNING|COMPLETING|SUSPENDED)$ ]]; }
was_queued_again() { [[ $(field "$1" Restarts) == "$2" ]] && is_in "$1" PENDING; }
is_beyond() { [[ -s $folder/$1/metrics.jsonl ]] && (($(wc -l <"$folder/$1/metrics.jsonl") > $2)); }
says() { grep -q -- "$2" "$folder/$1.log"; }

# counts_to RUN STEPS: the metrics have each step once, in order.
counts_to() {
  grep -oP '"step":\K[0-9]+' "$folder/$1/metrics.jsonl" | cmp --silent - <(seq "$2")
}

# equals_uninterrupted RUN STEPS [SEED]: model, average, optimizer and progress have the bits of a run
# that was not interrupted, and knew no Slurm.
equals_uninterrupted() {
  local name reference=$folder/reference-${1//\//-}
  local log=$reference.out
  "$ddpm_bin/ddpm-dist" train --config "$folder/${1%/seed-*}.yaml" --run "$reference" \
    --steps "$2" --seed "${3:-1}" --workers "$ddpm_cores" >"$log" 2>&1 || { cat "$log" && return 1; }
  name=$(printf 'checkpoints/step-%08d.h5' "$2")
  PYTHONPATH=Tests/Python "$ddpm_venv/bin/python" - "$folder/$1/$name" "$reference/$name" <<'PY'
import sys
from compare_builds import digest
ours, wanted = map(digest, sys.argv[1:])
sys.exit(0 if ours == wanted else f"{ours} is not {wanted}")
PY
}

# ranks_of RUN: prints the processes of its ranks.
ranks_of() {
  local pid
  for pid in $(pgrep -x ddpm-dist || true); do
    if grep -qs "$folder/$1" "/proc/$pid/cmdline"; then echo "$pid"; fi
  done
}
is_gone() { [[ -z $(ranks_of "$1") ]]; }
# kill_a_rank RUN: as the kernel does where memory is short.
kill_a_rank() { kill -KILL "$(ranks_of "$1" | tail -n 1)"; }

# interrupted_run NAME [SETTING…]: a job, with the options in `options`, whose run goes on after a time limit. Two minutes are its
# limit, and USR1 comes 80 to 110 seconds before the end, as Slurm looks every half minute.
interrupted_run() {
  local name=$1 job first second
  shift
  configure "$name" 1000000 "$@"
  job=$(submit "$name" --time 2 --warn-before 80 "${options[@]}")
  check "$name: queued again after the time limit" await 180 was_queued_again "$job" 1
  check "$name: by USR1" says "$name" 'since USR1 has come'
  first=$(newest_step "$name")
  check "$name: steps are kept ($first)" test "$first" -gt 0
  check "$name: goes on" await 120 is_beyond "$name" "$((first + 10))"
  scancel --batch --signal=USR1 "$job"
  check "$name: queued again after scancel" await 120 was_queued_again "$job" 2
  second=$(newest_step "$name")
  check "$name: more steps are kept ($second)" test "$second" -gt "$first"
  configure "$name" "$((second + 100))" "$@"
  await 90 has_ended "$job" || true
  check "$name: comes to its end" is_in "$job" COMPLETED
  check "$name: no step is done twice" counts_to "$name" "$((second + 100))"
  check "$name: the bits of an uninterrupted run" equals_uninterrupted "$name" "$((second + 100))"
}

# -- The cases

case_limit() {
  local options=()
  interrupted_run limit
}

# No checkpoint is due before USR1.
case_srun() {
  local options=(--launcher srun)
  interrupted_run srun 'checkpoint_every: 1000000'
}

case_array() {
  local job i step last=0
  configure array 1000000
  job=$(submit array-%a --array seed=1-4 --nodes 1)
  for i in 1 2 3 4; do check "array: seed $i trains" await 120 is_beyond "array/seed-$i" 10; done
  for i in 1 2 3 4; do
    scancel --batch --signal=USR1 "${job}_$i"
    check "array: seed $i is queued again" await 90 was_queued_again "${job}_$i" 1
    # It shall find the new configuration.
    scontrol hold "${job}_$i"
    step=$(newest_step "array/seed-$i")
    if ((step > last)); then last=$step; fi
  done
  last=$((last + 50))
  configure array "$last"
  for i in 1 2 3 4; do scontrol release "${job}_$i"; done
  for i in 1 2 3 4; do
    await 240 has_ended "${job}_$i" || true
    check "array: seed $i comes to its end" is_in "${job}_$i" COMPLETED
    check "array: seed $i does no step twice" counts_to "array/seed-$i" "$last"
    check "array: seed $i has the bits of an uninterrupted run" \
      equals_uninterrupted "array/seed-$i" "$last" "$i"
  done
}

case_chain() {
  local jobs first second
  configure chain 1000000
  mapfile -t jobs < <(submit chain --chain 4)
  check "chain: four jobs" test "${#jobs[@]}" = 4
  scontrol hold "${jobs[2]}"
  check "chain: the first trains" await 120 is_beyond chain 10
  check "chain: the second waits" is_in "${jobs[1]}" PENDING
  scancel --batch --signal=USR1 "${jobs[0]}"
  check "chain: the first ends" await 60 has_ended "${jobs[0]}"
  check "chain: with exit code 75" test "$(field "${jobs[0]}" ExitCode)" = 75:0
  first=$(newest_step chain)
  check "chain: the second goes on" await 120 is_beyond chain "$((first + 10))"
  scancel --batch --signal=USR1 "${jobs[1]}"
  check "chain: the second ends" await 60 has_ended "${jobs[1]}"
  second=$(newest_step chain)
  check "chain: more steps are kept ($second)" test "$second" -gt "$first"
  configure chain "$((second + 100))"
  scontrol release "${jobs[2]}"
  await 120 has_ended "${jobs[2]}" || true
  check "chain: the third comes to the end" is_in "${jobs[2]}" COMPLETED
  check "chain: no step is done twice" counts_to chain "$((second + 100))"
  check "chain: the bits of an uninterrupted run" equals_uninterrupted chain "$((second + 100))"
  await 60 has_ended "${jobs[3]}" || true
  check "chain: the fourth has nothing to do" is_in "${jobs[3]}" COMPLETED
  check "chain: and says so" says chain "is at step $((second + 100)) already"
}

case_trial() {
  local text
  configure trial 10
  text=$(submit trial --partition nowhere 2>&1) && echo "  FAILED: trial: an unknown partition is taken"
  check "trial: Slurm's words are told" grep -q 'sbatch: has not taken the job' <<<"$text"
  check "trial: nothing is submitted" test -z "$(squeue --noheader --name=trial)"
  text=$(submit trial --name trial --begin 2>&1) && echo "  FAILED: trial: an unknown option is taken"
  check "trial: an unknown option is a line" grep -q "Unknown option '--begin'" <<<"$text"
}

# A program that never makes a step.
case_stuck() {
  local job
  configure stuck 1000000
  # At its second start, it ends as where USR1 comes too early.
  cat >"$folder/idle" <<'SH'
#!/bin/sh
[ "${SLURM_RESTART_COUNT:-0}" != 1 ] || kill -USR1 $$
exit 75
SH
  chmod +x "$folder/idle"
  job=$(submit stuck --ranks-per-node 1 --program "$folder/idle")
  check "stuck: ends" await 120 has_ended "$job"
  check "stuck: with exit code 70" test "$(field "$job" ExitCode)" = 70:0
  check "stuck: after three starts" test "$(field "$job" Restarts)" = 2
  check "stuck: says why" says stuck 'Three starts in a row have ended at step 0'
}

case_killed() {
  local job
  configure killed 1000000
  job=$(submit killed --launcher srun)
  check "killed: trains" await 120 is_beyond killed 10
  check "killed: loses a rank" kill_a_rank killed
  check "killed: ends" await 90 has_ended "$job"
  check "killed: failed, and is not queued again" is_in "$job" FAILED
  check "killed: no rank is left" is_gone killed
}

# Many more ranks than cores: those that wait give way. Open MPI's files go with the folder.
export OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_orte_tmpdir_base=$folder

nodes_are_up() { [[ $(sinfo --noheader --states=idle --format=%D 2>/dev/null) == 2 ]]; }
if ! await 30 nodes_are_up; then
  tail -n 5 "$folder"/*.out "$folder"/*.log
  echo "Slurm does not run its two nodes."
  echo "0 passed, 1 failed"
  exit 1
fi

cases=("$@")
if (($# == 0)); then cases=(limit srun array chain trial stuck killed); fi
pids=()
for name in "${cases[@]}"; do
  "case_$name" >"$folder/$name.case" 2>&1 &
  pids+=($!)
done
passed=0
failed=0
for i in "${!cases[@]}"; do
  name=${cases[i]}
  wait "${pids[i]}" || echo "  FAILED: $name: stopped by an error" >>"$folder/$name.case"
  echo "== $name"
  cat "$folder/$name.case"
  passed=$((passed + $(grep -c '^  passed: ' "$folder/$name.case" || true)))
  bad=$(grep -c '^  FAILED: ' "$folder/$name.case" || true)
  failed=$((failed + bad))
  if ((bad > 0)); then
    for log in "$folder/$name"{,-1,-2,-3,-4}.log; do
      [[ ! -e $log ]] || { echo "-- the end of ${log##*/}" && tail -n 30 "$log"; }
    done
  fi
done
echo "$passed passed, $failed failed"
exit $((failed > 0))
