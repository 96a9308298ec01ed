"""Write what the pages show of the code into the pages: `python docs/write_reference.py`.

A page marks a block with `<!-- from: SOURCE -->` and `<!-- end -->`; what stands between is replaced. SOURCE
is one of

    path/of/a/file                      the whole file
    path/of/a/file: Name                one class or function of it
    path/of/a/file: "from" to "until"   lines, from the first that has this text to the next that has that one
    path/of/a/file: "from" before "x"   the same, without the last line
    diff one/file another/file          what changes from one to the other
    api Name: one, another              a class or function with some of its members; `all` for all of them,
                                        `Name()` for one that users construct
    accessors study: one, another       attributes of a study, or of results, that installed plugins bring
    steps, errors, hooks, commands, exit codes, transitions, verbs

`--check` writes nothing, names the pages that are out of date and exits with 1.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import os
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import is_dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click

import hyperspace_core
from hyperspace_core import hookspecs
from hyperspace_core.errors import ExitCode, HyperspaceError
from hyperspace_core.extension.accessors import RESULTS, STUDY, AccessorRegister
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.records.states import TRANSITIONS, State
from hyperspace_core.storage import Capability, Maintenance, Migrations, Searches, Sources, Store

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^<!-- from: (?P<source>[^\n]*?) -->\n.*?^<!-- end -->$", re.M | re.S)

_BANNER = re.compile(r"^# -- ((?:.*\n# )*?.*) --\n", re.M)
_FIELD = re.compile(r"^:([^:]+):\s*", re.M)
_MEMBERS = (property, cached_property, classmethod, staticmethod)
_LANGUAGES = {".py": "python", ".toml": "toml", ".json": "json"}


def pages() -> list[Path]:
    """Every page that may have such blocks."""
    return sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("docs/howto/*.md"),
                   *ROOT.glob("docs/examples/*/README.md"), *ROOT.glob("plugins/*/README.md")])


def updated(text: str) -> str:
    """The page with each block written anew."""
    return BLOCK.sub(lambda found: "\n".join([f"<!-- from: {found['source']} -->", content(found["source"]),
                                              "<!-- end -->"]), text)


def content(source: str) -> str:
    """What SOURCE gives, as Markdown."""
    generated: dict[str, Callable[[], Iterable[str]]] = {
        "hooks": hooks, "commands": commands, "exit codes": exit_codes, "transitions": transitions,
        "verbs": verbs, "steps": steps, "errors": errors}
    if source in generated:
        return "\n".join(generated[source]()).strip()
    word, _, rest = source.partition(" ")
    if word == "api":
        return "\n".join(api(rest)).strip()
    if word == "accessors":
        return "\n".join(accessors(rest)).strip()
    if word == "diff":
        return fenced("diff", changes(*rest.split()))
    path, _, part = source.partition(": ")
    return fenced(_LANGUAGES[Path(path).suffix], excerpt(ROOT / path, part))


def fenced(language: str, text: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"


# files

def excerpt(path: Path, part: str) -> str:
    """The whole file, one object of it, or the lines between two texts; without common indentation."""
    text = path.read_text(encoding="utf-8")
    if not part:
        return text
    if part.isidentifier():
        return textwrap.dedent(named(text, part))
    found = re.fullmatch(r'"(?P<start>.+?)"(?: (?P<how>to|before) "(?P<end>.+)")?', part)
    if found is None:
        raise ValueError(f"{path}: cannot read {part!r}")
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if found["start"] in line)
    if found["end"] is None:
        chosen = lines[first:]
    else:
        last = next(number for number in range(first, len(lines)) if found["end"] in lines[number])
        chosen = lines[first:last + (found["how"] == "to")]
    return textwrap.dedent("\n".join(chosen)).strip("\n")


def named(text: str, name: str) -> str:
    """The source of a class or function, with its decorators."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            return "\n".join(text.splitlines()[first - 1:node.end_lineno])
    raise ValueError(f"no class or function {name}")


def changes(before: str, after: str) -> str:
    old, new = ((ROOT / path).read_text(encoding="utf-8").splitlines() for path in (before, after))
    return "\n".join(difflib.unified_diff(old, new, Path(before).name, Path(after).name, lineterm=""))


# hooks

def phases() -> Iterator[tuple[str, list[str]]]:
    """The banners of hookspecs.py and the hooks below each, in the order of the file."""
    pieces = _BANNER.split(inspect.getsource(hookspecs))[1:]
    for banner, code in zip(pieces[::2], pieces[1::2], strict=True):
        text = " ".join(line.removeprefix("# ").strip() for line in banner.splitlines())
        yield text, re.findall(r"^def (hyperspace_\w+)\(", code, re.M)


def hooks() -> Iterator[str]:
    """Every hook, by phase, from the docstrings of the hook specifications."""
    for banner, names in phases():
        title, _, rest = banner.partition(":")
        rest = rest.strip()
        yield from (f"## {title}", "", rest[:1].upper() + rest[1:], "")
        for name in names:
            yield from hook(name, getattr(hookspecs, name))


def hook(name: str, spec: Any) -> Iterator[str]:
    intro, *fields = _FIELD.split(inspect.cleandoc(spec.__doc__))
    yield from (f"### `{name}`", "")
    # annotations are texts here, and would be shown in quotes
    signature = str(inspect.signature(spec)).replace("'", "")
    yield from (fenced("python", f"def {name}{signature}"), "", intro.strip(), "")
    for label, text in zip(fields[::2], fields[1::2], strict=True):
        shown = f"`{label}`" if label.islower() and label != "returns" else label.capitalize()
        yield f"- **{shown}**: {' '.join(text.split())}"
    yield ""


# the command line

SHARED = 8          # an option of so many commands is described once


def commands() -> Iterator[str]:
    """Every command with its arguments and options, from the click tree itself."""
    from hyperspace_core.cli.main import build_cli

    root = build_cli()
    with click.Context(root, info_name="hyperspace") as context:
        found = list(walk(root, context))
        uses = Counter(option for command, inner in found for option in options(command, inner))
        shared = [option for option, count in uses.items() if count >= SHARED]
        yield from ("## Options of most commands", "", *table(shared))
        for command, inner in found:
            if command is root:
                yield from ("## `hyperspace`", "", *table(options(command, inner)))
                continue
            depth = 2 if inner.parent is context else 3
            usage = " ".join([inner.command_path, *command.collect_usage_pieces(inner)])
            yield from (f"{'#' * depth} `{inner.command_path}`", "", fenced("text", usage), "")
            yield from help_text(command.help or "")
            plugin = root.sources.get(inner.command_path.partition(" ")[2])
            yield from (f"The plugin `{plugin}` brings it.", "") if plugin else ()
            these = list(options(command, inner))
            also = ", ".join(f"`{names.split()[-2 if names[-1].isupper() else -1]}`" for names, text in these
                             if (names, text) in shared)
            yield from table(option for option in these if option not in shared)
            yield from (f"Also {also}.", "") if also else ()


def walk(group: click.Group, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """The group and all that is below it, but for hidden commands."""
    yield group, context
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        with click.Context(command, info_name=name, parent=context) as inner:
            if isinstance(command, click.Group):
                yield from walk(command, inner)
            else:
                yield command, inner


def help_text(text: str) -> Iterator[str]:
    """Paragraphs; one that begins with click's mark for "as it stands" is something to type."""
    for paragraph in re.split(r"\n{2,}", inspect.cleandoc(text)):
        if paragraph.startswith("\b\n"):
            yield from (fenced("text", paragraph.removeprefix("\b\n")), "")
        else:
            yield from (paragraph, "")


def options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """Names and help of each option and described argument."""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None or not (record[1] or isinstance(parameter, click.Option)):
            continue                               # an argument without help stands in the usage
        names, text = record
        if "--help" in names:
            continue
        variable = getattr(parameter, "envvar", None)
        also = f" (environment: `{variable}`)" if variable and str(variable) not in text else ""
        yield names, f"{' '.join(text.split())}{also}"


def table(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    shown = [row(f"`{names}`", text) for names, text in rows]
    if shown:
        yield from ("| option | |", "| --- | --- |", *shown, "")


def row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


# tables

def exit_codes() -> Iterator[str]:
    """The numbers that the command answers to the shell, with the comments that stand beside them."""
    source = inspect.getsource(ExitCode)
    yield from ("| code | name | meaning |", "| ---: | --- | --- |")
    for code in ExitCode:
        comment = re.search(rf"^\s+{code.name} = \d+\s*(?:# (.*))?$", source, re.M)
        meaning = comment.group(1) if comment and comment.group(1) else "success"
        yield row(str(code.value), f"`{code.name}`", meaning)


def transitions() -> Iterator[str]:
    """The one table of legal transitions."""
    yield from ("| verb | from | to |", "| --- | --- | --- |")
    for verb, rows in TRANSITIONS.items():
        if all(after == {before} for before, after in rows.items()) and len(rows) == len(State):
            yield row(f"`{verb}`", "any", "unchanged")
            continue
        order = [None, *State]
        for before, after in sorted(rows.items(), key=lambda one: order.index(one[0])):
            states = ", ".join(f"`{state}`" for state in State if state in after)
            yield row(f"`{verb}`", f"`{before}`" if before else "none", states)


def verbs() -> Iterator[str]:
    """The verbs of the store interface: those that every store has, and those of each capability."""
    capabilities: tuple[type[Capability], ...] = (Sources, Searches, Migrations, Maintenance)
    ports: list[tuple[type, str]] = [(Store, ""), *((port, f": to {port.ability}") for port in capabilities)]
    for port, about in ports:
        yield from ("", f"### `{port.__name__}`{about}", "", "| verb | guarantee |", "| --- | --- |")
        for name, verb in vars(port).items():
            if not name.startswith("_") and inspect.isfunction(verb):
                default = "" if getattr(verb, "__isabstractmethod__", False) else " Has a default."
                yield row(f"`{name}`", " ".join((inspect.getdoc(verb) or "").split()) + default)


# Python

def api(wanted: str) -> Iterator[str]:
    """A class or function: signature, docstring, and the members that are named."""
    found = re.fullmatch(r"(?P<name>\w+)(?P<made>\(\))?(?:: (?P<members>.+))?", wanted)
    if found is None:
        raise ValueError(f"cannot read {wanted!r}")
    target = resolve(found["name"])
    yield from (f"### `{found['name']}`", "")
    yield from entry(found["name"], target, constructed=bool(found["made"]))
    for name, member in members(target, found["members"] or ""):
        yield from (f"#### `{found['name']}.{name}`", "")
        yield from entry(name, member, constructed=False)


def accessors(wanted: str) -> Iterator[str]:
    """Attributes that plugins add: a function as it is called, a class by its name and docstring."""
    kind, _, names = wanted.partition(": ")
    register = AccessorRegister({STUDY: (), RESULTS: ()})
    for _, add in build_manager().implementations("hyperspace_study", core=False):
        add(register=register)
    for name in names.split(", "):
        found = register.found[kind][name].load()
        yield from (f"#### `{kind.capitalize()}.{name}`", "")
        if isinstance(found, type):
            yield from (fenced("python", f"{name}: {found.__name__}"), "", inspect.getdoc(found) or "", "")
        else:
            yield from (fenced("python", f"def {name}{signature(found, drop=1)}"), "",
                        as_markdown(inspect.getdoc(found) or ""), "")


def entry(name: str, target: Any, *, constructed: bool) -> Iterator[str]:
    yield from (fenced("python", declaration(name, target, constructed=constructed)), "",
                as_markdown(inspect.getdoc(target) or ""), "")


def as_markdown(text: str) -> str:
    """A docstring; what it indents is code."""
    blocks = re.split(r"\n{2,}", text)
    return "\n\n".join(fenced("text", textwrap.dedent(block)) if block.startswith("    ") else block
                       for block in blocks)


def resolve(name: str) -> Any:
    """By its name in the root package, else by the only module of core or of a plugin that defines it."""
    if name in hyperspace_core.__all__:
        return getattr(hyperspace_core, name)
    homes = [path.relative_to(source) for source in [ROOT, *sorted(ROOT.glob("plugins/*/src"))]
             for path in sorted(source.glob("hyperspace_*/**/*.py"))
             if re.search(rf"^(class|def) {name}\b", path.read_text(encoding="utf-8"), re.M)]
    if len(homes) != 1:
        raise ValueError(f"{name} is defined in {[str(home) for home in homes]}")
    parts = homes[0].with_suffix("").parts
    return getattr(importlib.import_module(".".join(part for part in parts if part != "__init__")), name)


def members(target: Any, wanted: str) -> Iterator[tuple[str, Any]]:
    """Those that are named; of `all but x, y` those that the class defines itself and that are documented."""
    if wanted.startswith("all"):
        left_out = re.split(r",\s*", wanted.partition("but ")[2])
        names = [name for name, member in vars(target).items()
                 if not name.startswith("_") and name not in left_out and inspect.getdoc(member)
                 and (callable(member) or isinstance(member, _MEMBERS))]
    else:
        names = [name for name in re.split(r",\s*", wanted) if name]
    for name in names:
        yield name, inspect.getattr_static(target, name)


def declaration(name: str, target: Any, *, constructed: bool) -> str:
    """The line that declares it, as it stands in the source, without its body."""
    if isinstance(target, (property, cached_property)):
        getter = target.func if isinstance(target, cached_property) else target.fget
        returns = inspect.signature(getter).return_annotation if getter else None
        return f"{name}: {returns}" if isinstance(returns, str) else name
    if isinstance(target, type):
        made = signature(vars(target)["__init__"], drop=1) if constructed else ""
        return fields(name, target) or f"class {name}{made}"
    decorator = {classmethod: "@classmethod\n", staticmethod: "@staticmethod\n"}.get(type(target), "")
    function = getattr(target, "__func__", target)
    bound = not isinstance(target, staticmethod) and "." in function.__qualname__
    return f"{decorator}def {name}{signature(function, drop=int(bound))}"


def signature(function: Any, *, drop: int) -> str:
    shown = inspect.signature(function)
    shown = shown.replace(parameters=list(shown.parameters.values())[drop:])
    if shown.return_annotation in ("None", None):
        shown = shown.replace(return_annotation=inspect.Signature.empty)
    # annotations are texts, and would be shown in quotes; so would defaults that are texts, with reason
    for parameter in shown.parameters.values():
        if isinstance(parameter.annotation, str):
            shown = shown.replace(parameters=[
                one.replace(annotation=_Bare(one.annotation)) if one.name == parameter.name else one
                for one in shown.parameters.values()])
    if isinstance(shown.return_annotation, str):
        shown = shown.replace(return_annotation=_Bare(shown.return_annotation))
    return wrapped(re.sub(r"<(\w+\.\w+): [^>]*>", r"\1", str(shown)))       # members of an enum


class _Bare(str):
    """A text that is shown without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def wrapped(text: str, width: int = 96) -> str:
    """A signature of more than a line has one parameter a line."""
    if len(text) <= width:
        return text
    inside, _, returns = text[1:].rpartition(")")
    depth, parts, part = 0, [], ""
    for letter in inside:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth:
            parts.append(part.strip())
            part = ""
        else:
            part += letter
    return "(\n" + "".join(f"    {one},\n" for one in [*parts, part.strip()]) + f"){returns}"


def fields(name: str, target: type) -> str:
    """The fields of a dataclass, with the comments that stand beside them."""
    if not is_dataclass(target) or "__init__" in inspect.getsource(target):
        return ""
    text = textwrap.dedent(inspect.getsource(target))
    lines = text.splitlines()
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.ClassDef)
    public = [base for base in map(ast.unparse, node.bases) if not base.startswith("_")]
    bases = f"({', '.join(public)})" if public else ""
    shown = [line for one in node.body if isinstance(one, ast.AnnAssign)
             and not ast.unparse(one.target).startswith("_")
             and "ClassVar" not in ast.unparse(one.annotation)
             for line in lines[one.lineno - 1:one.end_lineno]]
    return "\n".join([f"class {name}{bases}:", *shown]) if shown else ""


def steps() -> Iterator[str]:
    """The steps of a migration."""
    from hyperspace_core import migrations as module

    for name in ("add", "rename", "move", "map_values", "rename_class"):
        yield from (f"### `{name}`", "")
        yield from entry(name, getattr(module, name), constructed=False)


def errors() -> Iterator[str]:
    """The errors in the root package, with their exit codes."""
    found = [getattr(hyperspace_core, name) for name in hyperspace_core.__all__]
    yield from ("| error | exit code | |", "| --- | ---: | --- |")
    for error in found:
        if isinstance(error, type) and issubclass(error, HyperspaceError):
            text = (inspect.getdoc(error) or "").partition("\n\n")[0]
            yield row(f"`{error.__name__}`", str(int(error.exit_code)), " ".join(text.split()))


def main(words: list[str]) -> int:
    os.environ.update(COLUMNS="100")               # a help text does not depend on the terminal
    stale = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        new = updated(text)
        if new != text:
            stale.append(page)
            if "--check" not in words:
                page.write_text(new, encoding="utf-8")
    for page in stale:
        print(f"{page.relative_to(ROOT)}: {'out of date' if '--check' in words else 'written'}")
    return int(bool(stale) and "--check" in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
