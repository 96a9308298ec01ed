"""The plugin's hooks: stores at `mongodb://` and `mongodb+srv://`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperspace_core import hookimpl

if TYPE_CHECKING:
    from hyperspace_core.plugin import StorageRegister


@hookimpl
def hyperspace_storage(register: StorageRegister) -> None:
    for scheme in ("mongodb", "mongodb+srv"):
        register.scheme(scheme, "hyperspace_mongodb.store:open_store", "MongoDB")
