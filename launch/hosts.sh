#!/usr/bin/env bash
# Runs a command on N "hosts": network namespaces of this machine, with a rank or several on each.
#
#   launch/hosts.sh 4 .build/release/ddpm-dist train --run runs/digits
#   launch/hosts.sh --rate 200mbit 2 COMMAND…      links of 200 Mbit/s, each way (tc's units)
#   launch/hosts.sh --ranks 2 8 COMMAND…           two ranks a host, which share memory
#   launch/hosts.sh --traffic FILE 2 COMMAND…      writes how many bytes each host has sent to the others
#   launch/hosts.sh --seconds 60 --check 2         can hosts be made here? Runs nothing
#
# The hosts have names (host1, host2, …), addresses and a cable (veth) to a switch (bridge) each, so
# Open MPI starts a daemon on each of them and sends everything over TCP. They reach each other and
# nothing else. All of it lives in namespaces that end with this script, however it ends; nothing is
# made in the machine's own network. The command gets --seconds (600) to finish.
#
# It needs root, or a system where users may make user namespaces. Where hosts cannot be made, it
# says why and exits with 77, as a test that is skipped does. Otherwise its code is mpirun's.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# skip SENTENCE: hosts cannot be made here.
skip() {
  echo "Skipped: hosts cannot be made here: $1" >&2
  exit 77
}

# usage: what was typed makes no sense.
usage() {
  echo "Usage: launch/hosts.sh [--rate 200mbit] [--ranks 1] [--traffic FILE] [--seconds 600]" \
    "[--check] HOSTS COMMAND…" >&2
  exit 64
}

rate=""
ranks=1
traffic=""
seconds=600
check=false
arguments=("$@")
while [[ ${1:-} == --* ]]; do
  case $1 in
    --rate) rate=${2:-} && shift ;;
    --ranks) ranks=${2:-} && shift ;;
    --traffic) traffic=${2:-} && shift ;;
    --seconds) seconds=${2:-} && shift ;;
    --check) check=true ;;
    *) usage ;;
  esac
  shift || usage
done
hosts=${1:-}
[[ $hosts =~ ^[1-9][0-9]{0,2}$ && $hosts -le 250 && $seconds =~ ^[1-9][0-9]*$ ]] || usage
[[ $ranks =~ ^[1-9][0-9]{0,2}$ ]] || usage
[[ -z $rate || $rate =~ ^[0-9]+[kmg]?bit$ ]] || usage
shift
(($# > 0)) || $check || usage

# Outside: makes the namespaces in which this script then runs once more.
if [[ -z ${DDPM_HOSTS_FOLDER:-} ]] || (($$ != 1)); then
  for tool in ip tc unshare nsenter setpriv mpirun; do
    command -v "$tool" >/dev/null || skip "there is no \"$tool\" (Debian: iproute2, util-linux)."
  done
  inside=(unshare --net --uts --ipc --mount --pid --fork --mount-proc --kill-child)
  ((EUID == 0)) || inside+=(--map-root-user)
  why=$("${inside[@]}" true 2>&1) || skip "${why:-no new namespaces}."

  DDPM_HOSTS_FOLDER=$(mktemp -d "${TMPDIR:-/tmp}/ddpm-hosts.XXXXXX")
  export DDPM_HOSTS_FOLDER
  child=""
  # shellcheck disable=SC2317 # called by the trap
  clean() {
    [[ -z $child ]] || kill -KILL "$child" || true
    wait || true
    rm -rf "$DDPM_HOSTS_FOLDER"
  } 2>/dev/null
  trap clean EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  # Should this script be killed, the kernel ends `unshare`, and with it every process inside.
  setpriv --pdeathsig KILL "${inside[@]}" "${BASH_SOURCE[0]}" "${arguments[@]}" &
  child=$!
  status=0
  wait "$child" || status=$?
  exit "$status"
fi

# Inside: the switch. This process is the first of its namespaces; when it ends, all of them do.
folder=$DDPM_HOSTS_FOLDER
unset DDPM_HOSTS_FOLDER

# try COMMAND…: a command without which there are no hosts.
try() {
  "$@" 2>"$folder/why" >&2 || skip "\"$*\" fails: $(tr '\n' ' ' <"$folder/why")"
}

# shape INTERFACE [NAMESPACE]: what leaves there leaves at the rate. A burst holds the 64 KiB that
# the kernel likes to send in one piece; shorter ones make it cut them up. The queue loses nothing.
shape() {
  [[ -z $rate ]] ||
    try ${2:+nsenter "--net=$2"} tc qdisc add dev "$1" root tbf rate "$rate" burst 80kb limit 16mb
}

try ip link add switch type bridge
try ip link set switch up
names=()
slots=()
for ((i = 1; i <= hosts; i++)); do
  name=host$i
  names+=("$name")
  slots+=("$name:$ranks")
  network=$folder/$name.network
  touch "$network" "$folder/$name.uts"
  # Namespaces that last as long as these files are mounted.
  try unshare --net="$network" --uts="$folder/$name.uts" hostname "$name"
  try ip link add "port$i" type veth peer name eth0 netns "$network"
  try ip link set "port$i" master switch up
  try nsenter --net="$network" ip address add "10.99.0.$i/24" dev eth0
  try nsenter --net="$network" ip link set eth0 up
  try nsenter --net="$network" ip link set lo up
  shape "port$i"
  shape eth0 "$network"
  echo "10.99.0.$i $name" >>"$folder/hosts"
done
echo "127.0.0.1 localhost" >>"$folder/hosts"
try mount --bind "$folder/hosts" /etc/hosts
if $check; then exit 0; fi

# What mpirun takes for ssh: AGENT HOST COMMAND…
cat >"$folder/enter" <<'END'
#!/usr/bin/env bash
host=$(dirname "$0")/$1
shift
exec nsenter --net="$host.network" --uts="$host.uts" bash -c "$*"
END
chmod +x "$folder/enter"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# Each host believes that all cores are its own.
export OMPI_MCA_mpi_yield_when_idle=1
# The ranks of a host share memory, where there are several.
transports=tcp,self
if ((ranks > 1)); then transports+=,vader; fi
status=0
nsenter --net="$folder/host1.network" --uts="$folder/host1.uts" \
  timeout --foreground --kill-after=10 "$seconds" \
  mpirun -n "$((hosts * ranks))" --host "$(IFS=, && echo "${slots[*]}")" --map-by slot --bind-to none \
  --mca plm_rsh_agent "$folder/enter" --mca orte_tmpdir_base "$folder" \
  --mca oob_tcp_if_include eth0 --mca pml ob1 \
  --mca btl "$transports" --mca btl_tcp_if_include eth0 "$@" || status=$?
# What a host sends arrives at its port of the switch.
if [[ -n $traffic ]]; then
  for ((i = 1; i <= hosts; i++)); do
    awk -v port="port$i:" -v host="host$i" '$1 == port { print host, $2 }' /proc/net/dev
  done >"$traffic"
fi
if ((status == 124)); then echo "hosts.sh: longer than $seconds seconds; stopped." >&2; fi
exit "$status"
