#!/usr/bin/env bash
# Writes what bash, zsh and fish offer at Tab, into their folders below PREFIX/share.
#
#   launch/completions/write.sh PROGRAM SHARE
#
# The program writes the scripts itself (`--generate-completion-script`); settings.bash adds to bash's.
set -euo pipefail

if (($# != 2)); then
  echo "Usage: launch/completions/write.sh PROGRAM SHARE" >&2
  exit 64
fi
program=$1
share=$2
name=${program##*/}
mkdir -p "$share"/{bash-completion/completions,zsh/site-functions,fish/vendor_completions.d}
"$program" --generate-completion-script zsh >"$share/zsh/site-functions/_$name"
"$program" --generate-completion-script fish >"$share/fish/vendor_completions.d/$name.fish"
bash=$share/bash-completion/completions/$name
"$program" --generate-completion-script bash >"$bash"
if grep -qF -- --set "$bash"; then
  cat "$(dirname "${BASH_SOURCE[0]}")/settings.bash" >>"$bash"
fi
