"""Store addresses as command arguments, for commands that take two stores."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperspace_core.cli.context import CommandContext, url_in, warn_of_password
from hyperspace_core.errors import StoreError, UsageError

if TYPE_CHECKING:
    from hyperspace_core.storage import Store


@dataclass(frozen=True)
class Address:
    """The address of a store that may not exist yet. Its text hides the password."""

    url: str = field(repr=False)
    context: CommandContext = field(repr=False)

    def __str__(self) -> str:
        from hyperspace_core.extension.storage import redact

        return redact(self.url)

    @classmethod
    def typed(cls, text: str, context: CommandContext) -> Address:
        """Read an address or `@FILE`. Raises `StoreError`, `UsageError`."""
        from hyperspace_core.extension.storage import redact, resolve_url

        if not text.strip("@ "):
            raise UsageError("an address is empty; name a store, as in sqlite:///runs.db")
        if text.startswith("@"):
            text = url_in(Path(text[1:]).expanduser())
        else:
            warn_of_password(text, "put the URL into a file and write @FILE")
        url = resolve_url(text, context.name if context.has_project else "")
        if not context.has_project and url != resolve_url(text, "x"):
            raise UsageError(f"'{redact(text)}': names no database; write {redact(url)}/NAME, or give "
                             "--project")
        return cls(url, context)

    @property
    def file(self) -> Path | None:
        """The file of an embedded store, which may not exist yet; else None."""
        scheme, _, path = self.url.partition(":///")
        return Path(path) if scheme == "sqlite" else None

    def same(self, other: Address) -> bool:
        """Whether both certainly mean one store; user and options are ignored."""
        if self.file is not None and other.file is not None:
            return self.file.resolve() == other.file.resolve()
        return _bare(self.url) == _bare(other.url)

    def open(self) -> Store:
        """Open the existing store. Raises `StoreError` if there is none."""
        store = self.opened()
        if store is None:
            raise StoreError(f"{self.file}: no store at this path; check the address")
        return store

    def opened(self) -> Store | None:
        """Open the store; None if its file does not exist."""
        return None if self.file is not None and not self.file.exists() else self.make()

    def make(self) -> Store:
        """Open the store, creating it if needed. It is closed when the command ends."""
        from hyperspace_core.extension.storage import open_store

        project = self.context.name if self.context.has_project else None
        store = open_store(self.url, self.context.extensions, project)
        click.get_current_context().call_on_close(store.close)
        return store


def _bare(url: str) -> str:
    """The URL without user and options."""
    scheme, _, rest = url.partition("?")[0].partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
