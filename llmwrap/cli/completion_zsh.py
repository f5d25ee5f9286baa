"""The completion script for zsh.

To be sourced, or kept as `_llmwrap` in a directory of fpath. Names of models go to
`compadd`, which takes them as they are; `_describe` would part them at the colon.
"""

from __future__ import annotations

from .completion_words import (
    FILE_VERBS,
    HISTORY_VERBS,
    MODEL_VERBS,
    PASSED_ON,
    PROGRAMS,
    TEMPLATE_VERBS,
    TESTERS,
    CommandWords,
    OptionWords,
    value_options,
)


def zsh_script(commands: list[CommandWords]) -> str:
    """Return the script."""
    kinds = "\n".join(_kind_case(option) for option in value_options(commands))
    words = "\n".join(_command_case(command) for command in commands)
    summaries = "\n".join(
        f"        {_described(command.name, command.summary)}" for command in commands
    )
    return (
        _SCRIPT.replace("@KINDS@", kinds)
        .replace("@WORDS@", words)
        .replace("@SUMMARIES@", summaries)
        .replace("@COMMANDS@", "|".join(command.name for command in commands))
        .replace("@PASSED_ON@", "|".join(PASSED_ON))
        .replace("@MODEL_VERBS@", "|".join(f"{c}/{verb}" for c, verb in MODEL_VERBS))
        .replace("@HISTORY_VERBS@", "|".join(f"{c}/{v}" for c, v in HISTORY_VERBS))
        .replace("@TEMPLATE_VERBS@", "|".join(map("/".join, TEMPLATE_VERBS)))
        .replace("@FILE_VERBS@", "|".join(map("/".join, FILE_VERBS)))
        .replace("@TESTERS@", "|".join(TESTERS))
        .replace("@PROGRAMS@", " ".join((*PROGRAMS, *TESTERS)))
    )


def quoted(text: str) -> str:
    """Return text in single quotes, as POSIX shells and zsh read them."""
    return "'" + text.replace("'", "'\\''") + "'"


def _described(word: str, text: str) -> str:
    return quoted(f"{word}:{text}")


def _kind_case(option: OptionWords) -> str:
    names = "|".join(option.names)
    choices = f" choices=({' '.join(option.choices)})" if option.choices else ""
    return f"        ({names}) kind={option.kind}{choices} ;;"


def _command_case(command: CommandWords) -> str:
    described = [
        f"                {_described(name, option.help)}"
        for option in command.options
        for name in option.names
    ]
    lines = [f"        ({command.name})", "            options=(", *described]
    lines += ["            )", f"            verbs=({' '.join(command.verbs)}) ;;"]
    return "\n".join(lines)


_SCRIPT = r"""#compdef @PROGRAMS@
# zsh completion of llmwrap, made by 'llmwrap completion zsh'.

# Sets kind, and choices, of the value that an option takes; fails if it takes none.
__llmwrap_kind() {
    kind='' choices=()
    case $1 in
@KINDS@
        (*) return 1 ;;
    esac
}

# Sets options and verbs of a command.
__llmwrap_words_of() {
    options=() verbs=()
    case $1 in
@WORDS@
    esac
}

# Sets expects to the option in a word whose value is the next word, if there is one.
__llmwrap_expects() {
    local kind i
    local -a choices
    expects=''
    if [[ $1 == --* ]]; then
        if __llmwrap_kind $1; then expects=$1; fi
        return
    fi
    for ((i = 2; i <= $#1; i++)); do
        if __llmwrap_kind -${1[i]}; then
            if ((i == $#1)); then expects=-${1[i]}; fi
            return
        fi
    done
}

# Offers names that the program knows: __llmwrap_live GROUP
__llmwrap_live() {
    local -a names
    names=(${(f)"$($program $1 list --names $passed 2>/dev/null </dev/null)"})
    compadd -a names
}

# Offers ids of conversations, the one used last first.
__llmwrap_conversations() {
    local -a names
    names=(${(f)"$($program history list --names 2>/dev/null </dev/null)"})
    compadd -V conversations -a names
}

# Offers values of an option: __llmwrap_value OPTION
__llmwrap_value() {
    local kind
    local -a choices
    __llmwrap_kind $1 || return 1
    case $kind in
        (file) _files ;;
        (backend) __llmwrap_live backends ;;
        (conversation) __llmwrap_conversations ;;
        (template) __llmwrap_live template ;;
        (model)
            if [[ $PREFIX == [./~]* ]]; then
                _files -g '*.gguf(-.)'
            else
                __llmwrap_live models
            fi
            ;;
        (choices) compadd -a choices ;;
    esac
}

_llmwrap() {
    local program=${~words[1]} word expects='' command='' verb='' i
    local -a passed options verbs commands
    commands=(
@SUMMARIES@
    )
    case ${program:t} in
        (@TESTERS@)
            command=loadtest
            program=${program%${program:t}}llmwrap
            ;;
    esac
    for ((i = 2; i < CURRENT; i++)); do
        word=${(Q)words[i]}
        if [[ -n $expects ]]; then
            case $expects in (@PASSED_ON@) passed+=($expects $word) ;; esac
            expects=''
            continue
        fi
        case $word in
            (--) return 1 ;;
            (--*=*)
                case ${word%%=*} in (@PASSED_ON@) passed+=($word) ;; esac
                ;;
            (-?*) __llmwrap_expects $word ;;
            (enhanced) if [[ -n $command ]]; then verb=${verb:-$word}; fi ;;
            (@COMMANDS@)
                if [[ -z $command ]]; then
                    command=$word
                else
                    verb=${verb:+$verb/}$word
                fi
                ;;
            (*)
                verb=${verb:+$verb/}$word
                command=${command:-ask}
                ;;
        esac
    done

    if [[ -n $expects ]]; then
        __llmwrap_value $expects
    elif [[ $PREFIX == --*=* ]]; then
        word=${PREFIX%%=*}
        compset -P '*='
        __llmwrap_value $word
    else
        __llmwrap_words_of ${command:-ask}
        if [[ $PREFIX == -* ]]; then
            _describe -o option options
        elif [[ -z $command ]]; then
            _describe command commands
        else
            if [[ -z $verb ]]; then
                compadd -a verbs
            fi
            case $command/$verb in
                (@MODEL_VERBS@) __llmwrap_live models ;;
                (@HISTORY_VERBS@) __llmwrap_conversations ;;
                (@TEMPLATE_VERBS@) __llmwrap_live template ;;
                (@FILE_VERBS@) _files ;;
            esac
        fi
    fi
}

if [[ $funcstack[1] == _llmwrap ]]; then
    _llmwrap "$@"
else
    compdef _llmwrap @PROGRAMS@
fi
"""
