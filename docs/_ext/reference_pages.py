"""Reference pages made from the code: hooks, commands, exit codes, transitions.

Each directive writes Markdown and has it parsed where it stands, so that a page says only what the code does.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from hyperspace_core import hookspecs
from hyperspace_core.errors import ExitCode
from hyperspace_core.records.states import TRANSITIONS, State

_BANNER = re.compile(r"^# -{20,}\n((?:# .*\n)+)# -{20,}\n", re.M)
_FIELD = re.compile(r"^:([^:]+):\s*", re.M)


class Generated(SphinxDirective):
    """A directive whose content is Markdown that `lines` gives."""

    def lines(self) -> Iterable[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes("\n".join(self.lines()), allow_section_headings=True)


def phases() -> Iterator[tuple[str, list[str]]]:
    """The banners of hookspecs.py and the hooks below each, in the order of the file."""
    pieces = _BANNER.split(inspect.getsource(hookspecs))[1:]
    for banner, code in zip(pieces[::2], pieces[1::2], strict=True):
        text = " ".join(line.removeprefix("# ").strip() for line in banner.splitlines())
        yield text, re.findall(r"^def (hyperspace_\w+)\(", code, re.M)


class Hooks(Generated):
    """Every hook, by phase, from the docstrings of the hook specifications."""

    def lines(self) -> Iterable[str]:
        for banner, hooks in phases():
            title, _, rest = banner.partition(":")
            rest = rest.strip()
            yield from (f"## {title}", "", rest[:1].upper() + rest[1:], "")
            for name in hooks:
                yield from self._hook(name, getattr(hookspecs, name))

    @staticmethod
    def _hook(name: str, spec: Any) -> Iterator[str]:
        intro, *fields = _FIELD.split(inspect.cleandoc(spec.__doc__))
        yield from (f"({name})=", f"### `{name}`", "")
        # annotations are texts here, and would be shown in quotes
        signature = str(inspect.signature(spec)).replace("'", "")
        yield from ("```python", f"def {name}{signature}", "```", "")
        yield from (intro.strip(), "")
        for field, text in zip(fields[::2], fields[1::2], strict=True):
            label = f"`{field}`" if field.islower() and field != "returns" else field.capitalize()
            yield from (f"**{label}**", f": {' '.join(text.split())}", "")


class Commands(Generated):
    """Every command with its arguments and options, from the click tree itself."""

    def lines(self) -> Iterable[str]:
        from hyperspace_core.cli import build_cli

        root = build_cli()
        with click.Context(root, info_name="hyperspace") as context:
            yield from self._group(root, context, depth=2)

    def _group(self, group: click.Group, context: click.Context, depth: int) -> Iterator[str]:
        yield from self._options(group, context)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if command is None or command.hidden:
                continue
            with click.Context(command, info_name=name, parent=context) as inner:
                yield from (f"{'#' * depth} `{inner.command_path}`", "")
                yield from ("```text", " ".join(["$", *self._usage(command, inner)]), "```", "")
                yield from self._help(command.help or "")
                if isinstance(command, click.Group):
                    yield from self._group(command, inner, depth + 1)
                else:
                    yield from self._options(command, inner)

    @staticmethod
    def _help(text: str) -> Iterator[str]:
        """Paragraphs; one that begins with click's mark for "as it stands" is something to type."""
        for paragraph in re.split(r"\n{2,}", inspect.cleandoc(text)):
            if paragraph.startswith("\b\n"):
                yield from ("```text", paragraph.removeprefix("\b\n"), "```", "")
            else:
                yield from (paragraph, "")

    @staticmethod
    def _usage(command: click.Command, context: click.Context) -> list[str]:
        return [context.command_path, *command.collect_usage_pieces(context)]

    @staticmethod
    def _options(command: click.Command, context: click.Context) -> Iterator[str]:
        for parameter in command.get_params(context):
            record = parameter.get_help_record(context)
            if record is None or not (record[1] or isinstance(parameter, click.Option)):
                continue                           # an argument without a word about it stands in the usage
            names, text = record
            variable = getattr(parameter, "envvar", None)
            told = f" (environment: `{variable}`)" if variable and str(variable) not in text else ""
            yield from (f"`{names}`", f": {' '.join(text.split()) or 'no further description.'}{told}", "")


class ExitCodes(Generated):
    """The numbers that the command answers to the shell, with the comments that stand beside them."""

    def lines(self) -> Iterable[str]:
        source = inspect.getsource(ExitCode)
        yield from ("| code | name | meaning |", "| ---: | --- | --- |")
        for code in ExitCode:
            comment = re.search(rf"^\s+{code.name} = \d+\s*(?:# (.*))?$", source, re.M)
            meaning = comment.group(1) if comment and comment.group(1) else "all went well"
            yield f"| {code.value} | `{code.name}` | {meaning} |"


class Transitions(Generated):
    """The one table of legal transitions."""

    def lines(self) -> Iterable[str]:
        yield from ("| verb | from | to |", "| --- | --- | --- |")
        for verb, rows in TRANSITIONS.items():
            if all(after == {before} for before, after in rows.items()) and len(rows) == len(State):
                yield f"| `{verb}` | any | unchanged |"
                continue
            for before, after in rows.items():
                states = ", ".join(f"`{state}`" for state in State if state in after)
                yield f"| `{verb}` | {f'`{before}`' if before else '—'} | {states} |"


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("hyperspace-hooks", Hooks)
    app.add_directive("hyperspace-commands", Commands)
    app.add_directive("hyperspace-exit-codes", ExitCodes)
    app.add_directive("hyperspace-transitions", Transitions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
