"""Restrictions: search expressions of a request, turned into a test of one item or folder.

Source: https://learn.microsoft.com/exchange/client-developer/web-service-reference/restriction
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from m365_emulator.ews import fields, xml
from m365_emulator.ews.call import Call
from m365_emulator.ews.faults import ResponseError, schema_violation
from m365_emulator.ews.fields import folder as folder_fields
from m365_emulator.ews.fields.extended import read_path
from m365_emulator.ews.fields.registry import FAMILIES, Comparable, Field, kind_of
from m365_emulator.ews.fields.values import moment
from m365_emulator.ews.shapes import read_uri
from m365_emulator.ews.soap import Node, elements, local_name
from m365_emulator.ews.view import View
from m365_emulator.world.mailbox import Folder, Item, Message
from m365_emulator.world.mailbox.mime import headers_of

Test: TypeAlias = Callable[[View, Any], bool]
Value: TypeAlias = "Comparable | tuple[str, ...] | None"
Get: TypeAlias = Callable[[View, Any], Value]

_MAX_DEPTH = 32
_FOLDER_FIELDS: Mapping[str, Field] = {field.uri: field for field in folder_fields.FIELDS}

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "IsEqualTo": lambda left, right: left == right,
    "IsNotEqualTo": lambda left, right: left != right,
    "IsGreaterThan": lambda left, right: left > right,
    "IsGreaterThanOrEqualTo": lambda left, right: left >= right,
    "IsLessThan": lambda left, right: left < right,
    "IsLessThanOrEqualTo": lambda left, right: left <= right,
}
_MODES = frozenset({"FullString", "Prefixed", "Substring", "PrefixOnWords", "ExactPhrase"})


def read_restriction(call: Call, node: Node | None) -> Test | None:
    """Return the test a ``m:Restriction`` describes, None when there is no restriction.

    Raises:
        ResponseError: It compares something that cannot be compared.
        SoapFault: It does not follow the schema.
    """
    if node is None:
        return None
    children = elements(node)
    if len(children) != 1:
        raise schema_violation("The element 'Restriction' needs exactly one search expression.")
    return _expression(call, children[0], 1)


def read_getter(node: Node) -> Get:
    """Return how to get the value that a path names, for sorting and comparing.

    Raises:
        ResponseError: The property cannot be searched.
    """
    match local_name(node):
        case "FieldURI":
            return _field_getter(read_uri(node))
        case "ExtendedFieldURI":
            extended = read_path(node)

            def value(view: View, item: Item | Folder) -> Value:
                found = extended.value(view, item)
                if found is None:
                    return None
                return tuple(found) if isinstance(found, list) else _typed(found, extended.key.kind.value)

            return value
        case "IndexedFieldURI":
            return _header_getter(node)
        case name:
            raise schema_violation(f"The element '{name}' is not a property path.")


def sort_key(value: Value) -> tuple[int, Any]:
    """Return a key that sorts values of one property, with missing ones first, as the store does."""
    if value is None:
        return (0, "")
    if isinstance(value, tuple):
        return (1, "; ".join(value).casefold())
    return (1, value.casefold() if isinstance(value, str) else value)


def _expression(call: Call, node: Node, depth: int) -> Test:
    if depth > _MAX_DEPTH:
        raise ResponseError("ErrorRestrictionTooComplex", "The restriction is nested too deeply.")
    name = local_name(node)
    children = elements(node)
    match name:
        case "And" | "Or":
            if not children:
                raise schema_violation(f"The element '{name}' has incomplete content.")
            tests = [_expression(call, child, depth + 1) for child in children]
            if name == "And":
                return lambda view, item: all(test(view, item) for test in tests)
            return lambda view, item: any(test(view, item) for test in tests)
        case "Not":
            if len(children) != 1:
                raise schema_violation("The element 'Not' needs exactly one search expression.")
            inner = _expression(call, children[0], depth + 1)
            return lambda view, item: not inner(view, item)
        case "Exists":
            if len(children) != 1:
                raise schema_violation("The element 'Exists' has incomplete content.")
            get = read_getter(children[0])
            return lambda view, item: get(view, item) not in (None, (), "")
        case "Contains":
            return _contains(node, children)
        case "Excludes":
            return _excludes(children)
        case _:
            if name not in _COMPARE:
                raise schema_violation(f"The element '{name}' is not a search expression.")
            return _comparison(call, name, children)


def _comparison(call: Call, name: str, children: list[Node]) -> Test:
    if len(children) != 2 or local_name(children[1]) != "FieldURIOrConstant":
        raise schema_violation(f"The element '{name}' has incomplete content.")
    get = read_getter(children[0])
    other = elements(children[1])
    if len(other) != 1:
        raise schema_violation("The element 'FieldURIOrConstant' has incomplete content.")
    compare = _COMPARE[name]
    if local_name(other[0]) != "Constant":
        get_other = read_getter(other[0])
        return lambda view, item: _compare(compare, name, get(view, item), get_other(view, item))
    constant = other[0].get("Value")
    if constant is None:
        raise schema_violation("The required attribute 'Value' is missing.")
    zone = call.zone

    def test(view: View, item: Any) -> bool:
        value = get(view, item)
        return _compare(compare, name, value, _like(value, constant, call, zone))

    return test


def _compare(compare: Callable[[Any, Any], bool], name: str, left: Value, right: Value) -> bool:
    if left is None or right is None:
        # A property that is not there is unequal to everything and neither above nor below anything.
        return name == "IsNotEqualTo" and (left is not None or right is not None)
    if isinstance(left, tuple):
        wanted = right if isinstance(right, tuple) else (str(right),)
        folded = {one.casefold() for one in wanted}
        found = any(one.casefold() in folded for one in left)
        return not found if name == "IsNotEqualTo" else found
    if isinstance(left, str) and isinstance(right, str):
        return compare(left.casefold(), right.casefold())
    try:
        return compare(left, right)
    except TypeError:
        return name == "IsNotEqualTo"


def _like(value: Value, constant: str, call: Call, zone: str) -> Value:
    """Return a constant as the same kind of thing as the value it is compared with."""
    try:
        if isinstance(value, bool):
            return constant.strip().lower() in {"true", "1"}
        if isinstance(value, int):
            return int(constant)
        if isinstance(value, float):
            return float(constant)
    except ValueError as error:
        raise ResponseError("ErrorInvalidValueForProperty", f"'{constant[:50]}' is not a number.") from error
    if isinstance(value, str) and _is_moment(value):
        try:
            return moment(call.moment(constant, zone))
        except ResponseError:
            return constant
    return constant


def _is_moment(text: str) -> bool:
    return len(text) == 20 and text[4] == "-" and text[10] == "T" and text.endswith("Z")


def _contains(node: Node, children: list[Node]) -> Test:
    if len(children) != 2 or local_name(children[1]) != "Constant":
        raise schema_violation("The element 'Contains' has incomplete content.")
    mode = node.get("ContainmentMode") or "FullString"
    comparison = node.get("ContainmentComparison") or "Exact"
    if mode not in _MODES:
        raise schema_violation("The 'ContainmentMode' attribute is invalid.")
    get = read_getter(children[0])
    fold = _folding(comparison)
    wanted = fold(children[1].get("Value") or "")

    def matches(text: str) -> bool:
        text = fold(text)
        match mode:
            case "FullString":
                return text == wanted
            case "Prefixed":
                return text.startswith(wanted)
            case "PrefixOnWords":
                return any(word.startswith(wanted) for word in text.split())
            case _:
                return wanted in text

    def test(view: View, item: Any) -> bool:
        value = get(view, item)
        if isinstance(value, tuple):
            return any(matches(one) for one in value)
        return isinstance(value, str) and matches(value)

    return test


def _folding(comparison: str) -> Callable[[str], str]:
    ignore_case = "IgnoreCase" in comparison or "Loose" in comparison
    ignore_marks = "NonSpac" in comparison or "NonSpace" in comparison

    def fold(text: str) -> str:
        if ignore_marks:
            text = "".join(
                char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char)
            )
        return text.casefold() if ignore_case else text

    return fold


def _excludes(children: list[Node]) -> Test:
    if len(children) != 2 or local_name(children[1]) != "Bitmask":
        raise schema_violation("The element 'Excludes' has incomplete content.")
    get = read_getter(children[0])
    text = children[1].get("Value") or ""
    try:
        mask = int(text, 16) if text[:2].lower() == "0x" else int(text)
    except ValueError as error:
        raise schema_violation("The 'Value' attribute of 'Bitmask' is invalid.") from error

    def test(view: View, item: Any) -> bool:
        value = get(view, item)
        return isinstance(value, int) and not value & mask

    return test


def _field_getter(uri: str) -> Get:
    known = fields.ITEM_FIELDS.get(uri) or _FOLDER_FIELDS.get(uri)
    if known is None or known.value is None:
        raise ResponseError(
            "ErrorUnsupportedPathForQuery",
            "The property can not be used with this type of restriction.",
            message_xml=xml.element("t:FieldURI", "", {"FieldURI": uri}),
        )
    family = uri.partition(":")[0]
    get = known.value

    def value(view: View, thing: Item | Folder) -> Value:
        # A property of folders is not there on an item, and the other way round.
        families = ("folder",) if isinstance(thing, Folder) else FAMILIES[kind_of(thing)]
        return get(view, thing) if family in families else None

    return value


def _header_getter(node: Node) -> Get:
    if node.get("FieldURI") != "item:InternetMessageHeader":
        raise ResponseError("ErrorUnsupportedPathForQuery")
    name = (node.get("FieldIndex") or "").lower()

    def value(view: View, item: Any) -> Value:
        headers = headers_of(item) if isinstance(item, Message) else ()
        return next((text for header, text in headers if header.lower() == name), None)

    return value


def _typed(text: str, kind: str) -> Comparable:
    try:
        if kind in {"Integer", "Long", "Short", "Currency"}:
            return int(text)
        if kind in {"Double", "Float", "ApplicationTime"}:
            return float(text)
    except ValueError:
        return text
    if kind == "Boolean":
        return text.lower() in {"true", "1"}
    return text
