"""Keep the whole world in bytes: named snapshots, and the file it persists to.

The format is Python's pickle, read by an unpickler that builds nothing but the
emulator's own classes and plain values, so a file from elsewhere cannot run code.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import pickle
import pkgutil
from dataclasses import fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m365_emulator import world as world_package

if TYPE_CHECKING:
    from m365_emulator.world.world import World

_PLAIN = {
    ("builtins", "set"),
    ("builtins", "frozenset"),
    ("builtins", "bytearray"),
    ("builtins", "list"),
    ("builtins", "dict"),
    ("builtins", "tuple"),
    ("builtins", "int"),
    ("builtins", "object"),
    ("collections", "deque"),
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("datetime", "datetime"),
    ("datetime", "date"),
    ("datetime", "time"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
    ("random", "Random"),
    ("uuid", "UUID"),
}
_STATE = (
    "seed", "source", "rng", "clock", "faults", "tenants", "apps", "active_scenarios", "messages_per_mailbox",
    "mailboxes", "held", "state", "secret",
)  # fmt: skip


@lru_cache(maxsize=1)
def format_mark() -> bytes:
    """Return the first line of a snapshot: it changes when any class of the world gains or loses a field."""
    names: list[str] = []
    for module in pkgutil.walk_packages(world_package.__path__, f"{world_package.__name__}."):
        for name, found in sorted(vars(importlib.import_module(module.name)).items()):
            if isinstance(found, type) and found.__module__ == module.name and is_dataclass(found):
                names.append(f"{module.name}.{name}({','.join(item.name for item in fields(found))})")
    digest = hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:16]
    return f"m365-emulator world {digest}\n".encode()


class SnapshotError(ValueError):
    """The bytes are not a world that this version can read; start afresh without them."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        # A dotted name would reach through a module to anything it imports.
        if module_name.startswith("m365_emulator.") and "." not in global_name:
            found = super().find_class(module_name, global_name)
            if isinstance(found, type) and found.__module__ == module_name:
                return found
        elif (module_name, global_name) in _PLAIN:
            return super().find_class(module_name, global_name)
        raise SnapshotError(f"The snapshot holds a {module_name}.{global_name}.")


def dump(world: World) -> bytes:
    """Return the world as bytes; request log and signing keys are not part of it."""
    content = {name: getattr(world, name) for name in _STATE}
    buffer = io.BytesIO()
    buffer.write(format_mark())
    pickler = pickle.Pickler(buffer, protocol=5)
    pickler.persistent_id = lambda thing: "world" if thing is world else None  # type: ignore[method-assign]
    pickler.dump(content)
    return buffer.getvalue()


def restore(world: World, data: bytes) -> None:
    """Make `world` what it was when `data` was dumped.

    Raises:
        SnapshotError: The bytes are not a snapshot of this version; nothing is changed.
    """
    mark = format_mark()
    if not data.startswith(mark):
        raise SnapshotError("This is not a snapshot of this version.")
    unpickler = _Unpickler(io.BytesIO(data[len(mark) :]))
    unpickler.persistent_load = lambda _: world  # type: ignore[method-assign]
    try:
        loaded: Any = unpickler.load()
        content = {name: loaded[name] for name in _STATE}
    except SnapshotError:
        raise
    except Exception as error:  # Broken input makes pickle raise anything.
        raise SnapshotError("The snapshot is damaged.") from error
    world.adopt(content)


def save(world: World, path: Path) -> None:
    """Write the world to a file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(dump(world))
    partial.replace(path)


def load(world: World, path: Path) -> None:
    """Read the world from a file written by `save`; raises SnapshotError."""
    restore(world, path.read_bytes())
