"""Strict mode: requests must follow the published schema, element order included, as Exchange itself demands.

``request_schema.json`` is a table of the facts in Microsoft's published schemas (Exchange2016) for the operations of
this emulator: which elements and attributes a type has, in which order, and which values are allowed. A particle is
``["e", min, max, name, type]``, ``["seq" | "choice", min, max, particles]`` or ``["any", min, max]``, with -1 for
"unbounded".
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any, cast

from lxml import etree

from m365_emulator.ews import xml
from m365_emulator.ews.faults import SoapFault, schema_violation
from m365_emulator.ews.soap import Node, elements

_NAMESPACES = {"m": xml.MESSAGES, "t": xml.TYPES}
_NUMBER = re.compile(r"[+-]?\d+\Z")
_MOMENT = re.compile(r"-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?\Z")
_DAY = re.compile(r"-?\d{4,}-\d\d-\d\d(Z|[+-]\d\d:\d\d)?\Z")


def check_schema(message: Node) -> None:
    """Check the element of an operation and everything in it.

    Raises:
        SoapFault: ErrorSchemaValidation with the line and the violation.
    """
    table = _table()
    name = etree.QName(message).localname
    type_name = table["elements"].get(name)
    if type_name is not None:
        _check(message, type_name)


@cache
def _table() -> dict[str, dict[str, Any]]:
    text = (files("m365_emulator.ews") / "request_schema.json").read_text(encoding="utf-8")
    return cast("dict[str, dict[str, Any]]", json.loads(text))


def _check(node: Node, type_name: str) -> None:
    complex_type = _table()["types"].get(type_name)
    if complex_type is None:
        if len(elements(node)):
            raise _violation(node, f"The element '{_name(node)}' cannot contain child elements.")
        _check_value(node, f"'{_name(node)}' element", node.text or "", type_name)
        return
    _check_attributes(node, complex_type.get("a", {}))
    if "v" in complex_type:
        _check_value(node, f"'{_name(node)}' element", node.text or "", complex_type["v"])
        return
    children = elements(node)
    model = _model(type_name)
    namespace = _NAMESPACES.get(type_name.partition(":")[0], xml.TYPES)
    tokens: list[str] = []
    for child in children:
        qualified = etree.QName(child)
        # References to t:Path and t:SearchExpression are of the types namespace, wherever they stand.
        if qualified.localname not in model.types or qualified.namespace not in {namespace, xml.TYPES}:
            raise _invalid_child(node, child)
        tokens.append(f"{qualified.localname};")
    if not model.pattern.fullmatch("".join(tokens)):
        raise _misplaced(node, children, model)
    for child in children:
        _check(child, model.types[etree.QName(child).localname])


class _Model:
    """The content model of one complex type, as a regular expression over the names of its children."""

    def __init__(self, particle: list[Any] | None) -> None:
        self.types: dict[str, str] = {}
        self.order: list[str] = []
        self.pattern = re.compile(self._regex(particle) if particle else "")

    def _regex(self, particle: list[Any]) -> str:
        kind, least, most = particle[0], particle[1], particle[2]
        if kind == "e":
            name: str = particle[3]
            self.types.setdefault(name, particle[4])
            self.order.append(name)
            inner = re.escape(name) + ";"
        elif kind == "any":
            inner = r"[^;]+;"
        else:
            parts = [self._regex(part) for part in particle[3]]
            inner = "".join(parts) if kind == "seq" else "|".join(parts)
        return f"(?:{inner}){_times(least, most)}"


def _times(least: int, most: int) -> str:
    if (least, most) == (1, 1):
        return ""
    if most == -1:
        return "*" if least == 0 else "+" if least == 1 else f"{{{least},}}"
    return "?" if (least, most) == (0, 1) else f"{{{least},{most}}}"


@cache
def _model(type_name: str) -> _Model:
    return _Model(_table()["types"][type_name].get("c"))


def _misplaced(node: Node, children: list[Node], model: _Model) -> SoapFault:
    """Name the first child that stands where it may not, or say that something is missing."""
    furthest = -1
    for child in children:
        position = model.order.index(etree.QName(child).localname)
        if position < furthest:
            return _invalid_child(node, child)
        furthest = position
    return _violation(node, f"The element '{_name(node)}' has incomplete content.")


def _invalid_child(node: Node, child: Node) -> SoapFault:
    return _violation(
        child,
        f"The element '{_name(node)}' in namespace '{etree.QName(node).namespace}' has invalid child element "
        f"'{_name(child)}' in namespace '{etree.QName(child).namespace}'.",
    )


def _check_attributes(node: Node, known: dict[str, list[Any]]) -> None:
    for name, value in node.attrib.items():
        qualified = etree.QName(str(name))
        if qualified.namespace is not None or "*" in known:
            continue
        entry = known.get(qualified.localname)
        if entry is None:
            raise _violation(node, f"The '{qualified.localname}' attribute is not declared.")
        _check_value(node, f"'{qualified.localname}' attribute", str(value), entry[0])
    for name, (_, required) in known.items():
        if required and node.get(name) is None:
            raise _violation(node, f"The required attribute '{name}' is missing.")


def _check_value(node: Node, where: str, value: str, type_name: str) -> None:
    if not _fits(value, type_name):
        raise _violation(node, f"The {where} is invalid - The value '{value[:100]}' is invalid.")


def _fits(value: str, type_name: str) -> bool:
    rule = _table()["values"].get(type_name)
    if rule is None:
        return _fits_base(value.strip() if type_name != "string" else value, type_name)
    if "list" in rule:
        return all(_fits(word, rule["list"]) for word in value.split())
    if "enum" in rule and value not in rule["enum"]:
        return False
    if "base" in rule and not _fits(value, rule["base"]):
        return False
    if "minInclusive" in rule and int(value) < int(rule["minInclusive"]):
        return False
    if "maxInclusive" in rule and int(value) > int(rule["maxInclusive"]):
        return False
    if "minLength" in rule and len(value) < int(rule["minLength"]):
        return False
    return "pattern" not in rule or re.fullmatch(rule["pattern"], value) is not None


def _fits_base(value: str, type_name: str) -> bool:
    match type_name:
        case "boolean":
            return value in {"true", "false", "1", "0"}
        case "int" | "long" | "short" | "unsignedShort":
            return _NUMBER.match(value) is not None
        case "dateTime":
            return _MOMENT.match(value) is not None
        case "date":
            return _DAY.match(value) is not None
        case _:
            return True


def _violation(node: Node, text: str) -> SoapFault:
    return schema_violation(text, line=node.sourceline or 0)


def _name(node: Node) -> str:
    return etree.QName(node).localname
