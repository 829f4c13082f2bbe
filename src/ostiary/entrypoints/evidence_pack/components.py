"""The parts this installation is made of, as they are installed: name, version, licence (SR-111)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Final

_PRODUCT: Final = "ostiary"
_NAME: Final = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[([^\]]*)\])?")
_EXTRA: Final = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")
_LICENCE_CLASS: Final = "License :: "
_LONGEST_LICENCE: Final = 60
"""Some projects put the whole text of their licence into the field for its name."""


@dataclass(frozen=True, slots=True, order=True)
class Component:
    """One installed distribution."""

    name: str
    version: str
    licence: str


@cache
def components() -> tuple[Component, ...]:
    """Return everything that the product needs to run, found by following what each part asks for.

    Tools of development and extras that are not asked for are left out, whatever else is installed here.
    """
    found: dict[str, Component] = {}
    waiting: list[tuple[str, frozenset[str]]] = [(_PRODUCT, frozenset())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            part = distribution(name)
        except PackageNotFoundError:
            # Only needed on another platform or an older Python.
            continue
        if name != _PRODUCT:
            found[name] = Component(part.metadata["Name"], part.version, licence_of(part))
        waiting.extend(_needs(part, extras))
    return tuple(sorted(found.values(), key=lambda each: each.name.casefold()))


def licence_of(part: Distribution) -> str:
    """Return the licence that a distribution names, in whichever of three places it does."""
    fields = part.metadata.json
    expression = fields.get("license_expression")
    if isinstance(expression, str) and expression:
        return expression
    classifiers = fields.get("classifier") or []
    named = [
        each.removeprefix(_LICENCE_CLASS).rpartition(" :: ")[2]
        for each in classifiers
        if each.startswith(_LICENCE_CLASS) and each != "License :: OSI Approved"
    ]
    if named:
        return ", ".join(dict.fromkeys(named))
    text = str(fields.get("license") or "").strip()
    return text if text and "\n" not in text and len(text) <= _LONGEST_LICENCE else "see its documentation"


def _needs(part: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for requirement in part.requires or ():
        wanted, _, marker = requirement.partition(";")
        only_with = set(_EXTRA.findall(marker))
        if only_with and not only_with & extras:
            continue
        match = _NAME.match(wanted)
        if match is None:
            continue
        name = re.sub(r"[-_.]+", "-", match[1]).lower()
        own = frozenset(each.strip().lower() for each in (match[2] or "").split(",") if each.strip())
        yield name, own
