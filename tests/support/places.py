"""Paths, modules and sources of the checkout."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "hyperspace_core"
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))


def modules() -> list[str]:
    """The dotted name of every module of the package."""
    return [dotted(path) for path in sorted(PACKAGE.rglob("*.py"))]


def plugin_files() -> list[Path]:
    """The source files of every plugin."""
    return [path for plugin in PLUGINS for path in sorted((plugin / "src").rglob("*.py"))]


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[parts.index("src") + 1:] if parts[0] == "plugins" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def sources() -> tuple[tuple[Path, ast.Module], ...]:
    """Every source file of the package and of the plugins, parsed."""
    return tuple((path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8")))
                 for path in [*sorted(PACKAGE.rglob("*.py")), *plugin_files()])


def bash_blocks(page: Path) -> list[str]:
    """The shell commands of a page, block by block."""
    blocks, block = [], None
    for line in page.read_text(encoding="utf-8").splitlines():
        if line == "```bash":
            block = []
        elif line.startswith("```") and block is not None:
            blocks.append("\n".join(block))
            block = None
        elif block is not None:
            block.append(line)
    return blocks
