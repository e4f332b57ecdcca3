#!/usr/bin/env bash
# What a shell offers at the end of a command line, one word a line, in a shell that knows nothing else.
#
#   tests/cli/complete.sh bash|zsh|fish SCRIPT "aivo watch --re"
set -eu
shell=$1 script=$2 line=$3

case $shell in
bash)
    bash --norc --noprofile -c '
        source "$1"
        COMP_LINE=$2 COMP_POINT=${#2}
        # as readline splits it: at white space and =
        read -ra COMP_WORDS <<<"${2//=/ = }"
        [[ $2 != *" " ]] || COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _aivo aivo
        [[ ${#COMPREPLY[@]} -eq 0 ]] || printf "%s\n" "${COMPREPLY[@]}"' bash "$script" "$line"
    ;;
zsh)
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cp "$script" "$work/_aivo"
    # A shell on a terminal of its own, whose Tab tells what the completion adds.
    zsh -f -c '
        zmodload zsh/zpty
        zpty asked zsh -f -i
        zpty -w asked "PS1= PS2= RPS1=; unsetopt zle_bracketed_paste 2>/dev/null; stty -echo; fpath=($1 \$fpath)"
        zpty -w asked "autoload -Uz compinit; compinit -u -D; zstyle \":completion:*\" list-separator \"\""
        zpty -w asked "asked() { compadd() { local -a hits; builtin compadd -O hits \"\$@\"; (( \$#hits )) && print -l -- \$hits >>$1/out; builtin compadd \"\$@\" }; _main_complete }"
        zpty -w asked "zle -C asked complete-word asked; bindkey \"^I\" asked; print ready >$1/ready"
        for (( i = 0; i < 100; i++ )); do [[ -e $1/ready ]] && break; sleep 0.05; done
        zpty -n -w asked "$2"$'"'\\t'"'
        for (( i = 0; i < 40; i++ )); do [[ -e $1/out ]] && break; sleep 0.05; done
        sleep 0.1
        zpty -d asked' zsh "$work" "$line" >/dev/null
    [ ! -e "$work/out" ] || sort -u "$work/out"
    ;;
fish)
    HOME=$(mktemp -d)
    export HOME XDG_CONFIG_HOME=$HOME XDG_DATA_HOME=$HOME
    trap 'rm -rf "$HOME"' EXIT
    # shellcheck disable=SC2016  # fish expands it
    fish --no-config -c 'source $argv[1]; complete -C $argv[2]' "$script" "$line" | cut -f 1
    ;;
esac
