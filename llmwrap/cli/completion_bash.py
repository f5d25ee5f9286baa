"""The completion script for bash, 3.2 and newer.

bash parts words at the characters of COMP_WORDBREAKS, `:` and `=` among them, and
replaces only the last part. So the script puts the words together again, completes
whole ones, and takes off what stands there already. bash-completion has
`__ltrim_colon_completions` for this; written out here, as it may not be installed.
Nothing that a server says is ever expanded by the shell: `compgen -W` would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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


def bash_script(commands: list[CommandWords]) -> str:
    """Return the script."""
    kinds = "\n".join(_kind_case(option) for option in value_options(commands))
    words = "\n".join(_command_case(command) for command in commands)
    return (
        _SCRIPT.replace("@KINDS@", kinds)
        .replace("@WORDS@", words)
        .replace("@COMMANDS@", " ".join(command.name for command in commands))
        .replace("@PASSED_ON@", "|".join(PASSED_ON))
        .replace("@MODEL_VERBS@", "|".join(f"{c}/{verb}" for c, verb in MODEL_VERBS))
        .replace("@HISTORY_VERBS@", "|".join(f"{c}/{v}" for c, v in HISTORY_VERBS))
        .replace("@TEMPLATE_VERBS@", "|".join(map("/".join, TEMPLATE_VERBS)))
        .replace("@FILE_VERBS@", "|".join(map("/".join, FILE_VERBS)))
        .replace("@TESTERS@", "|".join(TESTERS))
        .replace("@PROGRAMS@", " ".join((*PROGRAMS, *TESTERS)))
    )


def _kind_case(option: OptionWords) -> str:
    names = "|".join(option.names)
    choices = f" choices='{' '.join(option.choices)}'" if option.choices else ""
    return f"        {names}) kind={option.kind}{choices} ;;"


def _command_case(command: CommandWords) -> str:
    options = " ".join(_flat(option.names for option in command.options))
    verbs = " ".join(command.verbs)
    lines = [
        f"        {command.name})",
        f"            options='{options}'",
        f"            verbs='{verbs}' ;;",
    ]
    return "\n".join(lines)


def _flat(groups: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for group in groups:
        yield from group


_SCRIPT = r"""# bash completion of llmwrap, made by 'llmwrap completion bash'.

# Sets kind, and choices, of the value that an option takes; fails if it takes none.
__llmwrap_kind() {
    kind='' choices=''
    case $1 in
@KINDS@
        *) return 1 ;;
    esac
}

# Sets options and verbs of a command.
__llmwrap_words_of() {
    options='' verbs=''
    case $1 in
@WORDS@
    esac
}

# Sets words to those of the line up to the cursor, put together again where bash
# parted them at ':' and '='.
__llmwrap_words() {
    local rest=$COMP_LINE gap piece last i
    words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        piece=${COMP_WORDS[i]}
        gap=${rest%%"$piece"*}
        rest=${rest#"$gap$piece"}
        last=$((${#words[@]} - 1))
        if [[ i -gt 0 && -n $piece && -z $gap &&
            ($piece == [:=]* || ${words[last]} == *[:=]) ]]; then
            words[last]+=$piece
        else
            words+=("$piece")
        fi
    done
}

# Sets expects to the option in a word whose value is the next word, if there is one.
__llmwrap_expects() {
    local kind choices i
    expects=''
    case $1 in
        --*) if __llmwrap_kind "$1"; then expects=$1; fi ;;
        *)
            for ((i = 1; i < ${#1}; i++)); do
                if __llmwrap_kind "-${1:i:1}"; then
                    if ((i == ${#1} - 1)); then expects=-${1:i:1}; fi
                    return
                fi
            done
            ;;
    esac
}

# Offers each line of stdin that continues a word: __llmwrap_offer WORD PREFIX
__llmwrap_offer() {
    local line
    while IFS= read -r line; do
        if [[ -n $line && $line == "$1"* ]]; then COMPREPLY+=("$2$line"); fi
    done
}

# Offers names that the program knows: __llmwrap_live WORD PREFIX GROUP
__llmwrap_live() {
    __llmwrap_offer "$1" "$2" < <(
        "$program" "$3" list --names ${passed[@]+"${passed[@]}"} 2>/dev/null </dev/null
    )
}

# Offers ids of conversations: __llmwrap_conversations WORD PREFIX
__llmwrap_conversations() {
    __llmwrap_offer "$1" "$2" < <(
        "$program" history list --names 2>/dev/null </dev/null
    )
}

__llmwrap_files() {
    compopt -o filenames 2>/dev/null
    __llmwrap_offer '' "$2" < <(compgen -f -- "$1")
}

# Offers values of an option: __llmwrap_value OPTION WORD PREFIX
__llmwrap_value() {
    local kind choices
    __llmwrap_kind "$1" || return
    case $kind in
        file) __llmwrap_files "$2" "$3" ;;
        backend) __llmwrap_live "$2" "$3" backends ;;
        conversation) __llmwrap_conversations "$2" "$3" ;;
        template) __llmwrap_live "$2" "$3" template ;;
        model)
            case $2 in
                [./~]*) __llmwrap_files "$2" "$3" ;;
                *) __llmwrap_live "$2" "$3" models ;;
            esac
            ;;
        choices) __llmwrap_offer "$2" "$3" < <(printf '%s\n' $choices) ;;
    esac
}

_llmwrap() {
    local IFS=$' \t\n' program=${1/#\~/$HOME}
    local -a words passed=()
    local cur word expects='' command='' verb='' options verbs i breaks head
    COMPREPLY=()
    case ${program##*/} in
        @TESTERS@)
            command=loadtest
            program=${program%"${program##*/}"}llmwrap
            ;;
    esac
    __llmwrap_words
    cur=${words[${#words[@]} - 1]}
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        word=${words[i]}
        if [[ -n $expects ]]; then
            case $expects in @PASSED_ON@) passed+=("$expects" "$word") ;; esac
            expects=''
            continue
        fi
        case $word in
            --) return ;;
            --*=*)
                case ${word%%=*} in @PASSED_ON@) passed+=("$word") ;; esac
                ;;
            -?*) __llmwrap_expects "$word" ;;
            enhanced) if [[ -n $command ]]; then verb=${verb:-$word}; fi ;;
            *)
                if [[ -n $command ]]; then
                    verb=${verb:+$verb/}$word
                elif [[ ' @COMMANDS@ ' == *" $word "* ]]; then
                    command=$word
                else
                    command=ask verb=$word
                fi
                ;;
        esac
    done

    if [[ -n $expects ]]; then
        __llmwrap_value "$expects" "$cur" ''
    elif [[ $cur == --*=* ]]; then
        __llmwrap_value "${cur%%=*}" "${cur#*=}" "${cur%%=*}="
    else
        __llmwrap_words_of "${command:-ask}"
        if [[ $cur == -* ]]; then
            __llmwrap_offer "$cur" '' < <(printf '%s\n' $options)
        elif [[ -z $command ]]; then
            __llmwrap_offer "$cur" '' < <(printf '%s\n' @COMMANDS@)
        else
            if [[ -z $verb ]]; then
                __llmwrap_offer "$cur" '' < <(printf '%s\n' $verbs)
            fi
            case $command/$verb in
                @MODEL_VERBS@) __llmwrap_live "$cur" '' models ;;
                @HISTORY_VERBS@) __llmwrap_conversations "$cur" '' ;;
                @TEMPLATE_VERBS@) __llmwrap_live "$cur" '' template ;;
                @FILE_VERBS@) __llmwrap_files "$cur" '' ;;
            esac
        fi
    fi

    # bash replaces only what follows the last character that parts words.
    breaks=${COMP_WORDBREAKS//[^:=]/}
    if [[ -n $breaks ]]; then
        head=${cur%"${cur##*["$breaks"]}"}
        for ((i = 0; i < ${#COMPREPLY[@]}; i++)); do
            COMPREPLY[i]=${COMPREPLY[i]#"$head"}
        done
    fi
}

complete -F _llmwrap @PROGRAMS@
"""
