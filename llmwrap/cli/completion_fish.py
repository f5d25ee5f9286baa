"""The completion script for fish."""

from __future__ import annotations

from collections.abc import Iterator

from .completion_words import (
    FILE_VERBS,
    HISTORY_VERBS,
    MODEL_VERBS,
    PASSED_ON,
    PROGRAMS,
    TEMPLATE_VERBS,
    TESTERS,
    CommandWords,
    Kind,
    OptionWords,
    value_options,
)

_VALUES: dict[Kind | None, str] = {
    None: "",
    "none": " -x",
    "file": " -r -F",
    "model": " -x -a '(__llmwrap_models)'",
    "backend": " -x -a '(__llmwrap_live backends)'",
    "conversation": " -x -k -a '(__llmwrap_conversations)'",
    "template": " -x -a '(__llmwrap_live template)'",
}


def fish_script(commands: list[CommandWords]) -> str:
    """Return the script."""
    taking = [name for option in value_options(commands) for name in option.names]
    letters = "".join(name[1] for name in taking if len(name) == 2)
    program, *others = PROGRAMS
    script = (
        _FUNCTIONS.replace("@TAKING@", " ".join(taking))
        .replace("@LETTERS@", letters)
        .replace("@PASSED_ON@", " ".join(PASSED_ON))
        .replace("@COMMANDS@", " ".join(command.name for command in commands))
        .replace("@MODEL_VERBS@", " ".join(f"{c}/{verb}" for c, verb in MODEL_VERBS))
        .replace("@HISTORY_VERBS@", " ".join(f"{c}/{v}" for c, v in HISTORY_VERBS))
        .replace("@TEMPLATE_VERBS@", " ".join(map("/".join, TEMPLATE_VERBS)))
        .replace("@FILE_VERBS@", " ".join(map("/".join, FILE_VERBS)))
    )
    lines = [line for command in commands for line in _command(command)]
    lines += [f"complete -c {other} -w {program}" for other in others]
    lines += [f"complete -c {other} -w '{program} loadtest'" for other in TESTERS]
    return script + "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """Return text in single quotes, as fish reads them."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _command(command: CommandWords) -> Iterator[str]:
    summary = quoted(command.summary)
    yield f"complete -c llmwrap -n '__llmwrap_at /' -a {command.name} -d {summary}"
    for verb in command.verbs:
        yield f"complete -c llmwrap -n '__llmwrap_at {command.name}/' -a {verb}"
    for option in command.options:
        yield _option(command.name, option)


def _option(command: str, option: OptionWords) -> str:
    names = "".join(
        f" -s {name[1]}" if len(name) == 2 else f" -l {name[2:]}"
        for name in option.names
    )
    value = _VALUES.get(option.kind, f" -x -a '{' '.join(option.choices)}'")
    condition = f"__llmwrap_command_is {command}"
    return (
        f"complete -c llmwrap -n '{condition}'{names}{value} -d {quoted(option.help)}"
    )


_FUNCTIONS = r"""# fish completion of llmwrap, made by 'llmwrap completion fish'.

# Prints the operands before the cursor, a line each; with 'passed', the options
# instead that say whose models are meant.
function __llmwrap_operands
    set -l tokens (commandline -opc)
    set -l expects
    for token in $tokens[2..-1]
        if test -n "$expects"
            if test "$argv[1]" = passed; and contains -- $expects @PASSED_ON@
                printf '%s\n' $expects $token
            end
            set expects
            continue
        end
        switch $token
            case --
                test "$argv[1]" = passed; or printf '%s\n' --
                return
            case '--*=*'
                set -l name (string split -m 1 = -- $token)[1]
                if test "$argv[1]" = passed; and contains -- $name @PASSED_ON@
                    printf '%s\n' $token
                end
            case '-?*'
                if contains -- $token @TAKING@
                    set expects $token
                else if string match -qr -- '^-[^-@LETTERS@]*[@LETTERS@]$' $token
                    set expects -(string sub -s -1 -- $token)
                end
            case '*'
                test "$argv[1]" = passed; or printf '%s\n' $token
        end
    end
end

# Prints where the cursor is: '/', 'COMMAND/', 'COMMAND/VERB', 'ask/WORD'.
function __llmwrap_place
    set -l words (__llmwrap_operands)
    if test "$words[1]" = enhanced
        set -e words[1]
    end
    if set -q words[1]; and not contains -- $words[1] @COMMANDS@
        set -p words ask
    end
    set -l others (string join / -- $words[2..-1])
    echo "$words[1]/$others"
end

function __llmwrap_at
    test (__llmwrap_place) = $argv[1]
end

function __llmwrap_command_is
    set -l command (string split / -- (__llmwrap_place))[1]
    test -n "$command"; or set command ask
    test $command = $argv[1]
end

# Prints names that the program knows: __llmwrap_live GROUP
function __llmwrap_live
    set -l program (string replace -r '^~/' "$HOME/" -- (commandline -opc)[1])
    set -l passed (__llmwrap_operands passed)
    command $program $argv[1] list --names $passed 2>/dev/null </dev/null
end

function __llmwrap_models
    if string match -qr '^[./~]' -- (commandline -ct)
        __fish_complete_suffix .gguf
    else
        __llmwrap_live models
    end
end

function __llmwrap_conversations
    set -l program (string replace -r '^~/' "$HOME/" -- (commandline -opc)[1])
    command $program history list --names 2>/dev/null </dev/null
end

complete -c llmwrap -f
complete -c llmwrap -k -n 'contains -- (__llmwrap_place) @HISTORY_VERBS@' \
    -a '(__llmwrap_conversations)'
complete -c llmwrap -n 'contains -- (__llmwrap_place) @MODEL_VERBS@' \
    -a '(__llmwrap_live models)'
complete -c llmwrap -n 'contains -- (__llmwrap_place) @TEMPLATE_VERBS@' \
    -a '(__llmwrap_live template)'
complete -c llmwrap -n 'contains -- (__llmwrap_place) @FILE_VERBS@' -F
"""
