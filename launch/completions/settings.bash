
# What argument-parser's script leaves out: settings follow --set one after another, and go on behind "=".
_ddpm-dist_with_settings() {
    local -i index=$((COMP_CWORD - 1))
    local prev=$3
    # "=" parts words here: --set batch = 8 learning_r
    while ((index > 0)) && [[ ${COMP_WORDS[index]} != -* ]]; do index=$((index - 1)); done
    if [[ ${COMP_WORDS[index]} == --set && $2 != -* ]]; then
        if [[ $2 == "=" || $3 == "=" ]]; then return; fi
        prev=--set
    fi
    _ddpm-dist "$1" "$2" "$prev"
    if [[ ${COMPREPLY[*]} == *= ]]; then compopt +o filenames -o nospace; fi
}
complete -o filenames -F _ddpm-dist_with_settings ddpm-dist
