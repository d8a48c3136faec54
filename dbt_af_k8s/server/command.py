"""A client's command -> the words that dbt may be started with, or everything that is wrong with them. Pure.

dbt takes options before and after its verb, and so does this. The words go to dbt as a list of arguments, so no value
can become another option; and an option that is not in the table is refused, whatever it does. What an option's value
may be, its kind says; what a macro of `run-operation` may be, `operations`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from dbt_af_k8s.dbt.run_options import shown
from dbt_af_k8s.server.operations import VERB, macro_problems
from dbt_af_k8s.server.option_kinds import FLAG, MANY, ONE
from dbt_af_k8s.server.options import ALLOWED, OWN, REFUSED, SHORT, VERBS


@dataclass(frozen=True, slots=True)
class CommandLimits:
    """What a command may be."""

    verbs: tuple[str, ...]
    #: dbt targets that may be named; None: any of the profile.
    targets: tuple[str, ...] | None
    #: Words of a command, and bytes of all of them together.
    words: int
    bytes: int
    #: Most threads that `--threads` may name.
    threads: int = 16
    #: Macros of the root project that `run-operation` may call besides our own.
    macros: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """A command that may run."""

    #: `run`, `source freshness`, ...
    verb: str
    #: Options with their values, and the macro of `run-operation`, in the client's order.
    arguments: tuple[str, ...]
    #: Values of the options, by their long names; of several of one name the last, of a list all.
    options: tuple[tuple[str, tuple[str, ...]], ...]
    #: What `--project-dir` says, where the command has it.
    project_dir: str | None = None

    @property
    def macro(self) -> str | None:
        """The macro of `run-operation`."""
        return self.arguments[0] if self.verb == VERB else None

    @property
    def words(self) -> tuple[str, ...]:
        """The command as dbt takes it."""
        return (*self.verb.split(), *self.arguments)

    def values(self, option: str) -> tuple[str, ...] | None:
        """The values of an option; None where it is not given."""
        return next((values for name, values in self.options if name == option), None)


@dataclass(slots=True)
class _Reading:
    """What has been read so far."""

    positionals: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    project_dir: str | None = None


def check_command(words: Sequence[str], limits: CommandLimits) -> Command | tuple[str, ...]:
    """Read a command, or say in sentences everything that is wrong with it."""
    size = sum(len(word.encode("utf-8", "replace")) for word in words)
    if not words:
        return ("The command is empty.",)
    if len(words) > limits.words:
        return (f"The command has {len(words)} words; {limits.words} are the most.",)
    if size > limits.bytes:
        return (f"The command has {size} bytes; {limits.bytes} are the most.",)
    if any("\0" in word or _has_surrogate(word) for word in words):
        return ("The command has a letter that no argument of a program can hold.",)
    reading = _Reading()
    rest = list(words)
    while rest:
        _read_word(rest, reading)
    verb = _verb(reading, limits)
    _check_values(verb, reading, limits)
    named = reading.options.get("--target")
    if named and limits.targets is not None and named[-1] not in limits.targets:
        reading.problems.append(f"--target takes one of {', '.join(limits.targets)} here, not {shown(named[-1])}.")
    if reading.problems:
        return tuple(reading.problems)
    return Command(verb, tuple(reading.arguments), tuple(sorted(reading.options.items())), reading.project_dir)


def _read_word(rest: list[str], reading: _Reading) -> None:
    """Take the next option with its values, or the next word that is none."""
    word = rest.pop(0)
    if not word.startswith("-"):
        reading.positionals.append(word)
        return
    name, has_value, value = word.partition("=") if word.startswith("--") else (word, "", "")
    name = SHORT.get(name, name)
    own = OWN.get(name)
    if name == "--project-dir":
        reading.project_dir = value if has_value else _next(name, rest, reading)
    elif own is not None and (not own or _is_own(own, value if has_value else "", rest)):
        if own and not has_value:
            rest.pop(0)
    elif name in REFUSED:
        reading.problems.append(f"{name} is refused: {REFUSED[name]}.")
        if not has_value:
            _values(rest)
    elif own is not None:
        reading.problems.append(f"{name} is the server's own: only `{name} {own[0]}` may be given.")
        if not has_value:
            _values(rest)
    elif name not in ALLOWED:
        close = get_close_matches(name, sorted(ALLOWED), 1)
        told = f"; did you mean {close[0]}?" if close else "."
        reading.problems.append(f"The option {shown(name)} is not allowed{told}")
        if not has_value:
            _values(rest)
    else:
        _read_option(name, value if has_value else None, rest, reading)


def _read_option(name: str, value: str | None, rest: list[str], reading: _Reading) -> None:
    kind = ALLOWED[name].kind.takes
    if kind == FLAG:
        if value is not None:
            reading.problems.append(f"{name} takes no value.")
        reading.options[name] = ()
        reading.arguments.append(name)
    elif kind == ONE:
        given = value if value is not None else _next(name, rest, reading)
        reading.options[name] = (given,)
        # In one word, so that no value can be taken for an option.
        reading.arguments.append(f"{name}={given}")
    elif kind == MANY:
        values = [value] if value is not None else _values(rest)
        if not values:
            reading.problems.append(f"{name} needs a value.")
        reading.options[name] = (*reading.options.get(name, ()), *values)
        reading.arguments += [name, *values]


def _check_values(verb: str, reading: _Reading, limits: CommandLimits) -> None:
    """Whether the verb takes these options, and whether each value is of the option's kind."""
    for name, values in reading.options.items():
        row = ALLOWED[name]
        if verb and verb not in row.verbs:
            reading.problems.append(f"{name} may not be given to dbt {verb} here.")
            continue
        for value in values:
            reading.problems += row.kind.problems(name, value)
        if name == "--threads" and values[-1].isdecimal() and int(values[-1]) > limits.threads:
            reading.problems.append(f"--threads may be {limits.threads} at most here.")


def _values(rest: list[str]) -> list[str]:
    """The words up to the next option."""
    taken = []
    while rest and not rest[0].startswith("-"):
        taken.append(rest.pop(0))
    return taken


def _next(name: str, rest: list[str], reading: _Reading) -> str:
    if not rest:
        reading.problems.append(f"{name} needs a value.")
        return ""
    return rest.pop(0)


def _is_own(own: tuple[str, ...], value: str, rest: list[str]) -> bool:
    return (value or (rest[0] if rest else "")) in own


def _verb(reading: _Reading, limits: CommandLimits) -> str:
    """The verb among the words that are no options; the word after `run-operation` is its macro."""
    words = reading.positionals
    for count in (2, 1):
        verb = " ".join(words[:count])
        if verb not in VERBS or len(words) < count:
            continue
        left = words[count:]
        if verb == VERB:
            reading.arguments[:0] = left[:1]
            if not left:
                reading.problems.append("run-operation needs the name of a macro.")
            else:
                given = reading.options.get("--args", ("{}",))[-1]
                reading.problems += macro_problems(left[0], given, limits.macros)
            left = left[1:]
        if left:
            reading.problems.append(f"dbt {verb} takes no {shown(left[0])} here.")
        if verb not in limits.verbs:
            reading.problems.append(f"dbt {verb} is not allowed here; allowed: {', '.join(limits.verbs)}.")
        return verb
    said = " ".join(words[:2]) if words else "nothing"
    reading.problems.append(f"The command begins with {shown(said)}; allowed: {', '.join(limits.verbs)}.")
    return ""


def _has_surrogate(word: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in word)
