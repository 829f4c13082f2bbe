"""The evidence pack says what this instance is configured to do, on the page and in the PDF alike (SR-111)."""

from __future__ import annotations

import re
import tomllib
import zlib
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from ostiary.bootstrap import registrations_of
from ostiary.core.connections import model as connections_model
from ostiary.core.consent.permissions import PERMISSIONS
from ostiary.core.kernel.access_method import AccessMethod
from ostiary.entrypoints.evidence_pack import content
from ostiary.entrypoints.evidence_pack.assurance import ASVS
from ostiary.entrypoints.evidence_pack.components import components
from ostiary.entrypoints.evidence_pack.content import build_pack
from ostiary.entrypoints.evidence_pack.model import EvidencePack
from ostiary.entrypoints.evidence_pack.pdf import render_pdf
from ostiary.entrypoints.evidence_pack.typeface import Typeface, find_typeface, to_latin1
from ostiary.settings import Profile, Settings

TODAY = date(2026, 11, 24)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings without a database: the pack needs none."""
    return Settings(
        profile=Profile.DEVELOPMENT,
        data_dir=tmp_path,
        public_url="https://connect.larkspur.example",
        vendor_name="Larkspur",
        vendor_app_name="Larkspur for Microsoft 365",
        vendor_publisher="Larkspur Software Ltd",
        vendor_help_email="help@larkspur.example",
        vendor_data_kept="Ids and headers of messages, in Dublin, until you disconnect.",
        app_client_id="4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa",
        app_secret=SecretStr("a secret for tests"),
        allow_client_secret=True,
        return_urls=("https://app.larkspur.example/connected",),
    )


def pack_of(settings: Settings, **changes: object) -> EvidencePack:
    changed = settings.model_copy(update=changes)
    return build_pack(changed, registrations_of(changed), today=TODAY)


def words(pack: EvidencePack) -> list[str]:
    """Everything the pack says, piece by piece."""
    found = [pack.title, pack.lead]
    for section in pack.sections:
        found += [section.title, section.lead, *section.steps]
        for table in section.tables:
            found += [*table.heads, *(cell for row in table.rows for cell in row)]
    return [piece for piece in found if piece]


def text(pack: EvidencePack) -> str:
    return "\n".join(words(pack))


def test_every_permission_we_ask_for_is_in_it_with_its_reason(settings: Settings) -> None:
    said = text(pack_of(settings))
    for method in AccessMethod:
        for permission in PERMISSIONS[method]:
            assert permission.name in said
            assert permission.can in said


def test_a_permission_added_to_the_code_is_in_the_pack(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = PERMISSIONS[AccessMethod.GRAPH]
    added = replace(table[0], name="Tasks.Read", can="Read tasks")
    monkeypatch.setitem(PERMISSIONS, AccessMethod.GRAPH, (*table, added))
    assert "Tasks.Read" in text(pack_of(settings))


def test_without_ews_nothing_of_it_is_claimed(settings: Settings) -> None:
    said = text(pack_of(settings, offer_ews=False))
    assert "EWS" not in said
    assert "outlook.office365.com" not in said


def test_hosts_are_those_of_the_configured_cloud(settings: Settings) -> None:
    assert "login.microsoftonline.com" in text(pack_of(settings))
    government = text(pack_of(settings, cloud="usgov"))
    assert "login.microsoftonline.us" in government
    assert "microsoftonline.com" not in government
    assert "app.larkspur.example" in government


def test_times_are_those_the_code_goes_by(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert connections_model.CONFIRMATION_LIFE == content.CONFIRMATION_LIFE
    assert "says within 5 minutes" in text(pack_of(settings))
    monkeypatch.setattr(content, "CONFIRMATION_LIFE", timedelta(hours=1))
    assert "says within 1 hour " in text(pack_of(settings))


def test_the_credential_is_named_for_what_it_is(settings: Settings, tmp_path: Path) -> None:
    assert "Client secret, which Microsoft advises against" in text(pack_of(settings))
    with_certificate = text(pack_of(settings, app_certificate_file=tmp_path / "app.pem", app_secret=None))
    assert "Client secret" not in with_certificate


def test_no_secret_and_no_inner_address_is_in_it(settings: Settings) -> None:
    said = text(
        pack_of(
            settings,
            smtp_url=SecretStr("smtp://larkspur:hunter2@mail.internal:587"),
            database_url=SecretStr("postgresql://ostiary:hunter2@db.internal/ostiary"),
            transit_url="https://vault.internal:8200",
            ca_file=Path("/etc/internal.pem"),
        )
    )
    for inner in ("hunter2", "internal", "a secret for tests"):
        assert inner not in said


@pytest.mark.parametrize("typeface", [Typeface(), find_typeface()], ids=["core font", "found font"])
def test_the_pdf_says_all_that_the_pack_says(settings: Settings, typeface: Typeface) -> None:
    pack = pack_of(settings)
    written = re.sub(r"\s+", "", pdf_text(render_pdf(pack, Typeface())))
    for piece in words(pack):
        for word in to_latin1(piece).split():
            assert word in written, f"{word!r} of {piece!r}"
    assert render_pdf(pack, typeface).startswith(b"%PDF-")


def test_equal_packs_make_equal_files(settings: Settings) -> None:
    render_pdf.cache_clear()
    first = render_pdf(pack_of(settings), Typeface())
    render_pdf.cache_clear()
    assert render_pdf(pack_of(settings), Typeface()) == first


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Crème brûlée – “soft”", 'Crème brûlée - "soft"'),
        ("Łódź Škoda", "Lódz Skoda"),
        ("株式会社", "????"),
        ("Straße", "Strasse"),
    ],
)
def test_letters_the_core_font_lacks_are_written_out(given: str, shown: str) -> None:
    assert to_latin1(given) == shown
    shown.encode("latin-1")


def pdf_text(content: bytes) -> str:
    """The text that a PDF with a core font draws, in order."""
    shown: list[bytes] = []
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL):
        try:
            drawn = zlib.decompress(stream)
        except zlib.error:
            continue
        shown += re.findall(rb"\(((?:\\.|[^\\)])*)\)\s*Tj", drawn)
    return re.sub(rb"\\(.)", rb"\1", b"\n".join(shown)).decode("latin-1")


def test_the_bill_of_materials_is_what_the_lock_file_says_with_a_licence_each() -> None:
    lock = tomllib.loads((Path(__file__).parents[3] / "uv.lock").read_text())
    locked = {each["name"]: each["version"] for each in lock["package"]}
    found = components()
    assert len(found) > 40
    for each in found:
        assert locked[re.sub(r"[-_.]+", "-", each.name).lower()] == each.version
        assert each.licence
    names = {each.name.lower() for each in found}
    assert {"fastapi", "cryptography", "starlette", "psycopg-binary"} <= names
    # Tools of development are installed here, too, and are no part of the product.
    assert not {"pytest", "playwright", "ruff", "moto", "boto3"} & names


def test_components_and_verification_are_in_the_pack_and_its_pdf(settings: Settings) -> None:
    pack = pack_of(settings)
    said = text(pack)
    for each in components():
        assert f"{each.name}\n{each.version}\n{each.licence}" in said
    for chapter, answer, requirements in ASVS:
        assert f"{chapter}\n{answer}\n{requirements}" in said
    assert {"assurance", "components", "cryptography", "hosts", "flow", "kept", "permissions"} <= {
        section.id for section in pack.sections
    }
    assert render_pdf(pack).startswith(b"%PDF-")


def test_how_long_leftovers_are_kept_comes_from_the_job(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {**content.KEPT_FOR, content.Leftover.INCIDENTS: timedelta(days=17)}
    monkeypatch.setattr(content, "KEPT_FOR", kept)
    assert "17 days after its end" in text(pack_of(settings))
