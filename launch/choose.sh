#!/bin/sh
# Starts the build of a program that fits the CPU: installed as bin/ddpm-dist and bin/ddpm-sample.
#
# The builds are in libexec/ddpm-dist/KIND/, KIND being cooperlake, x86-64-v4, x86-64-v3 or native. DDPM_MARCH
# chooses one, for jobs on nodes of several kinds, whose ranks must all run the same one:
#
#   mpirun -x DDPM_MARCH=x86-64-v3 …
#
# Exit code 69 where none fits. Tests set DDPM_CPUINFO, a file to read in the place of /proc/cpuinfo.
self=$(readlink -f "$0")
program=${self##*/}
builds=${self%/bin/*}/libexec/ddpm-dist
flags=" $(sed -n '/^flags[[:space:]]*:/{s/^[^:]*://p;q;}' "${DDPM_CPUINFO:-/proc/cpuinfo}") "

# The flags that Linux gives to the instructions of the x86-64 psABI's levels 3 and 4.
level3="avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
level4="$level3 avx512f avx512bw avx512cd avx512dq avx512vl"
fits() { # fits KIND
  case $1 in
    x86-64-v3) needs=$level3 ;;
    x86-64-v4) needs=$level4 ;;
    # Level 4 with what Intel's Cooper Lake added, bfloat16 among it, and AMD's Zen 4 has too.
    cooperlake) needs="$level4 avx512_vnni avx512_bf16 adx aes pclmulqdq rdrand rdseed" ;;
    *) needs="" ;;
  esac
  for flag in $needs; do
    case $flags in *" $flag "*) ;; *) return 1 ;; esac
  done
}

# OpenBLAS starts threads when it is loaded, before a program could ask it not to.
export OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"

for kind in ${DDPM_MARCH:-cooperlake x86-64-v4 x86-64-v3 native}; do
  if [ -x "$builds/$kind/$program" ] && fits "$kind"; then exec "$builds/$kind/$program" "$@"; fi
done
there=$(cd "$builds" 2>/dev/null && echo */"$program")
echo "error: no build of $program that is installed here (${there:-none}) is for this CPU${DDPM_MARCH:+ and \
DDPM_MARCH=$DDPM_MARCH}: install one with launch/install.sh --march native on this node." >&2
exit 69
