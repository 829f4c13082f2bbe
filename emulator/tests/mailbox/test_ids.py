"""Ids: shapes, round trips, what moves change and what they leave."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from m365_emulator.world.mailbox import IdCodec, IdFormat, ItemKey, ObjectKey
from m365_emulator.world.mailbox.errors import MalformedId
from m365_emulator.world.mailbox.ids import ews_to_rest, rest_to_ews

GUID = "0b1e8e0c-12ab-4000-8000-00000000000a"
REPLICA = bytes(range(240, 256))
AT = datetime(2027, 3, 15, 9, tzinfo=UTC)
codec = IdCodec(GUID, REPLICA)


def test_ids_have_the_length_and_beginning_of_real_ones() -> None:
    assert codec.ews_id(5, 9).startswith("AAMk")
    assert len(codec.ews_id(5, 9)) == 152
    assert codec.folder_ews_id(5).startswith("AAMk")
    assert len(codec.folder_ews_id(5)) == 120
    assert codec.immutable_id(9).startswith("AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A")
    assert codec.conversation_rest_id(b"c" * 16).startswith("AAQk")
    assert base64.b64decode(codec.change_key(7))[:8] == b"\x09\x00\x00\x00\x16\x00\x00\x00"


@pytest.mark.parametrize("form", list(IdFormat))
def test_every_format_reads_back_what_it_wrote(form: IdFormat) -> None:
    read = codec.read(codec.write(ItemKey(5, 9, 7), form), form)
    expected = (
        ObjectKey(identity=7)
        if form in (IdFormat.IMMUTABLE_ENTRY, IdFormat.IMMUTABLE_REST)
        else ObjectKey(folder=5, entry=9)
    )
    assert read == expected


@pytest.mark.parametrize("form", [IdFormat.EWS, IdFormat.REST, IdFormat.IMMUTABLE_REST])
def test_occurrence_and_attachment_travel_inside_the_id(form: IdFormat) -> None:
    read = codec.read(codec.write(ItemKey(5, 9, 7, AT, b"k" * 16), form), form)
    assert (read.occurrence, read.attachment) == (AT, b"k" * 16)


def test_rest_id_is_the_ews_id_in_another_alphabet() -> None:
    for entry in range(2000):
        ews = codec.ews_id(5, entry)
        assert codec.rest_id(5, entry) == ews_to_rest(ews)
        assert rest_to_ews(codec.rest_id(5, entry)) == ews
        assert not set("/+") & set(codec.rest_id(5, entry))


@pytest.mark.parametrize("text", ["", "x", "AAMk", "AAMkAGI=", "é", "A" * 152, "AAkA" + "A" * 64])
@pytest.mark.parametrize("form", list(IdFormat))
def test_what_is_no_id_is_refused(text: str, form: IdFormat) -> None:
    with pytest.raises(MalformedId):
        codec.read(text, form)


def test_id_of_another_mailbox_is_refused() -> None:
    other = IdCodec("0b1e8e0c-12ab-4000-8000-00000000000b", bytes(16))
    for form in IdFormat:
        with pytest.raises(MalformedId):
            codec.read(other.write(ItemKey(5, 9, 7), form), form)


def test_id_with_a_cut_or_lengthened_end_is_refused() -> None:
    whole = base64.b64decode(codec.ews_id(5, 9, occurrence=AT))
    for broken in (whole[:-1], whole + b"x", whole[:-9]):
        with pytest.raises(MalformedId):
            codec.read(base64.b64encode(broken).decode(), IdFormat.EWS)
