"""`completion`: a short script for a shell that asks `__complete` what fits.

Not shtab: it wants one parser with subparsers and fixed positions, but here options
may stand before the command and a first word that is none is a question; and its bash
cannot complete a word with a `:`, which the names of models have.
"""

from __future__ import annotations

import argparse

from .context import Context
from .parser import Command, Parser, Verb, add_common

_BASH = r"""# bash completion of llmwrap, made by 'llmwrap completion bash'.
_llmwrap() {
    local program=${1/#\~/$HOME} word
    local -a ask=(__complete bash "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}")
    COMPREPLY=()
    while IFS= read -r word; do
        if [[ $word == ':files '* ]]; then
            compopt -o filenames 2>/dev/null
            IFS=$'\n' read -r -d '' -a COMPREPLY < <(compgen -f -- "${word#:files }")
        else
            COMPREPLY+=("$word")
        fi
    done < <("$program" "${ask[@]}" 2>/dev/null </dev/null)
}
complete -F _llmwrap llmwrap llm-wrapper llmwrap-loadtest load_test
"""

_ZSH = r"""#compdef llmwrap llm-wrapper llmwrap-loadtest load_test
# zsh completion of llmwrap, made by 'llmwrap completion zsh'.
_llmwrap() {
    local program=${~words[1]} line
    local -a found ask=(__complete zsh "${(@Q)words[1,CURRENT]}")
    for line in ${(f)"$($program $ask 2>/dev/null </dev/null)"}; do
        if [[ $line == :files ]]; then
            [[ $PREFIX == --*=* ]] && compset -P '*='
            _files
        else
            # The first colon parts a word from its meaning.
            found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
        fi
    done
    (($#found)) && _describe -V word found
}
if [[ $funcstack[1] == _llmwrap ]]; then _llmwrap "$@"; else
    compdef _llmwrap llmwrap llm-wrapper llmwrap-loadtest load_test
fi
"""

_FISH = r"""# fish completion of llmwrap, made by 'llmwrap completion fish'.
function __llmwrap_complete
    set -l typed (commandline -opc)
    set -l current (string unescape -- (commandline -ct); or commandline -ct)
    set -l program (string replace -r '^~/' "$HOME/" -- $typed[1])
    set -l ask __complete fish $typed "$current"
    for line in (command $program $ask 2>/dev/null </dev/null)
        if test "$line" = :files
            set -l option (string match -r -- '^--[^=]*=' "$current")
            __fish_complete_path (string replace -- "$option" '' "$current") |
                string replace -r '^' -- "$option"
        else
            printf '%s\n' $line
        end
    end
end
for program in llmwrap llm-wrapper llmwrap-loadtest load_test
    complete -c $program -f -k -a '(__llmwrap_complete)'
end
"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}

COMMAND = Command(
    name="completion",
    summary="Print a script that completes command lines in a shell. It completes"
    " the names of models, templates and conversations, too.",
    verbs=tuple(Verb(shell, f"Print the script for {shell}.") for shell in _SCRIPTS),
    is_verb_needed=True,
)


def add_arguments(parser: Parser) -> None:
    """Add the options of `completion`."""
    add_common(parser)


def run(args: argparse.Namespace, context: Context) -> int:
    """Print the script; return 0. The configuration is not read."""
    context.output.text(_SCRIPTS[args.verb])
    return 0
