#!/usr/bin/env bash
# Tests launch/slurm.sbatch with a real Slurm of two nodes, which this script makes on this machine.
#
#   launch/build.sh && launch/test-slurm.sh
#
# The cases, most of them at the same time; about two minutes in all:
#   limit    USR1 at the time limit, a checkpoint, exit code 75, a requeue, and the same once more by
#            `scancel`: each step is done once, and the result has the bits of an uninterrupted run
#   srun     the same with srun in mpirun's place, and with no checkpoint due within the time
#   array    two jobs of an array, on one node each, both requeued
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
  if (($# > 0)); then
    echo "test-slurm.sh: \"$1\" is no option; see the first lines of this script." >&2
    exit 64
  fi
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
  setpriv --pdeathsig KILL "${inside[@]}" "${BASH_SOURCE[0]}" </dev/null &
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

# submit NAME [sbatch's options] -- [more for ddpm-dist]: prints the job's number. Its configuration is
# NAME.yaml (without the -%a of an array), its log NAME.log, its run NAME, all in the folder. What
# slurm.sbatch asks of a cluster is made to fit two small nodes.
submit() {
  local name=$1 options=()
  shift
  while [[ $1 != -- ]]; do
    options+=("$1")
    shift
  done
  shift
  sbatch --parsable --oversubscribe --cpus-per-task=1 --time=10 --output="$folder/$name.log" \
    "${options[@]}" launch/slurm.sbatch "$folder/${name%-%a}.yaml" "$folder/$name" "$@"
}

# configure NAME STEPS [SETTING…]: a small network. Its run is as long as a case wants it, however fast
# the machine: STEPS are many at first, and few more than are done once the job waits in the queue.
configure() {
  printf '%s\n' "steps: $2" 'batch: 32' 'channels: 8' 'groups: 4' 'diffusion_steps: 20' \
    'sample_every: 0' "${@:3}" >"$folder/$1.yaml"
}

# field JOB NAME: what Slurm knows of a job, as `field 3 JobState`.
field() { scontrol --oneliner show job "$1" | grep -oP "(?<= )$2=\K\S*" | head -n 1; }

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
  local name reference=$folder/reference-$1 log=$folder/reference-$1.out
  "$ddpm_bin/ddpm-dist" train --config "$folder/${1%-[0-9]}.yaml" --run "$reference" \
    --steps "$2" --seed "${3:-1}" --workers "$ddpm_cores" >"$log" 2>&1 || { cat "$log" && return 1; }
  name=$(printf 'checkpoints/step-%08d.h5' "$2")
  PYTHONPATH=Tests/Python "$ddpm_venv/bin/python" - "$folder/$1/$name" "$reference/$name" <<'PY'
import sys
from compare_builds import digest
ours, wanted = map(digest, sys.argv[1:])
sys.exit(0 if ours == wanted else f"{ours} is not {wanted}")
PY
}

# refuses COMMAND…: it fails.
refuses() { ! "$@"; }

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

# interrupted_run NAME [SETTING…]: a job whose run goes on after a time limit. Two minutes are its
# limit, and USR1 comes 80 to 110 seconds before the end, as Slurm looks every half minute.
interrupted_run() {
  local name=$1 job first second
  shift
  configure "$name" 1000000 "$@"
  job=$(submit "$name" --time=2 --signal=B:USR1@80 --)
  check "$name: queued again after the time limit" await 120 was_queued_again "$job" 1
  check "$name: by USR1" says "$name" 'since USR1 has come'
  first=$(ddpm_newest_step "$folder/$name")
  check "$name: steps are kept ($first)" test "$first" -gt 0
  check "$name: goes on" await 60 is_beyond "$name" "$((first + 10))"
  scancel --batch --signal=USR1 "$job"
  check "$name: queued again after scancel" await 60 was_queued_again "$job" 2
  second=$(ddpm_newest_step "$folder/$name")
  check "$name: more steps are kept ($second)" test "$second" -gt "$first"
  configure "$name" "$((second + 100))" "$@"
  await 90 has_ended "$job" || true
  check "$name: comes to its end" is_in "$job" COMPLETED
  check "$name: no step is done twice" counts_to "$name" "$((second + 100))"
  check "$name: the bits of an uninterrupted run" equals_uninterrupted "$name" "$((second + 100))"
}

# -- The cases

case_limit() { interrupted_run limit; }

# No checkpoint is due before USR1.
case_srun() { LAUNCHER=srun interrupted_run srun 'checkpoint_every: 1000000'; }

case_array() {
  local job i last
  configure array 1000000
  job=$(submit array-%a --array=1-2 --nodes=1 -- --seed %a)
  for i in 1 2; do check "array: job $i trains" await 60 is_beyond "array-$i" 10; done
  scancel --batch --signal=USR1 "${job}_1" "${job}_2"
  for i in 1 2; do
    check "array: job $i is queued again" await 60 was_queued_again "${job}_$i" 1
  done
  last=$(($(ddpm_newest_step "$folder/array-1") + $(ddpm_newest_step "$folder/array-2") + 50))
  configure array "$last"
  for i in 1 2; do
    await 90 has_ended "${job}_$i" || true
    check "array: job $i comes to its end" is_in "${job}_$i" COMPLETED
    check "array: job $i does no step twice" counts_to "array-$i" "$last"
    check "array: job $i has the bits of an uninterrupted run" \
      equals_uninterrupted "array-$i" "$last" "$i"
  done
}

# A project whose program never makes a step.
case_stuck() {
  local job start project=$folder/project
  configure stuck 1000000
  mkdir -p "$project/launch" "$project/.build/release"
  cp launch/env.sh launch/slurm.sbatch "$project/launch"
  # At its second start, it ends as where USR1 comes too early.
  cat >"$project/.build/release/ddpm-dist" <<'SH'
#!/bin/sh
[ "${SLURM_RESTART_COUNT:-0}" != 1 ] || kill -USR1 $$
exit 75
SH
  chmod +x "$project/.build/release/ddpm-dist"
  job=$(cd "$project" && submit stuck --ntasks-per-node=1 --)
  check "stuck: ends" await 90 has_ended "$job"
  check "stuck: with exit code 70" test "$(field "$job" ExitCode)" = 70:0
  check "stuck: after three starts" test "$(field "$job" Restarts)" = 2
  check "stuck: says why" says stuck 'Three starts in a row have ended at step 0'
  # The same, where there have been steps: one start that brings them, and three that do not.
  mkdir -p "$folder/slow/checkpoints"
  touch "$folder/slow/checkpoints/step-00000005.h5"
  for start in 1 2 3; do check "stuck: start $start at step 5" ddpm_made_progress "$folder/slow"; done
  check "stuck: none after the fourth" refuses ddpm_made_progress "$folder/slow"
}

case_killed() {
  local job
  configure killed 1000000
  job=$(LAUNCHER=srun submit killed --)
  check "killed: trains" await 60 is_beyond killed 10
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

cases=(limit srun array stuck killed)
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
    for log in "$folder/$name"{,-1,-2}.log; do
      [[ ! -e $log ]] || { echo "-- the end of ${log##*/}" && tail -n 30 "$log"; }
    done
  fi
done
echo "$passed passed, $failed failed"
exit $((failed > 0))
