"""Settings refuse what is unsafe, name what is missing, and never show a value."""

from __future__ import annotations

from pathlib import Path

import pytest

from ostiary.settings import Profile, SettingsError, load_settings

CANARY = "canary-7Hq2mZ9xKfWvTb4N"

PRODUCTION = {
    "OSTIARY_PUBLIC_URL": "https://connect.larkspur.example",
    "OSTIARY_CONSOLE_URL": "https://console.larkspur.example",
    "OSTIARY_VENDOR_NAME": "Larkspur",
    "OSTIARY_VENDOR_APP_NAME": "Larkspur for Microsoft 365",
    "OSTIARY_VENDOR_PUBLISHER": "Larkspur Software Ltd",
    "OSTIARY_VENDOR_HELP_EMAIL": "help@larkspur.example",
    "OSTIARY_VENDOR_DATA_KEPT": "Ids and headers of messages, in Dublin, until you disconnect.",
    "OSTIARY_APP_CLIENT_ID": "4f6c1d0e-7b52-4c1b-9a55-20d1b6f0c3aa",
    "OSTIARY_APP_CERTIFICATE_FILE": "/etc/ostiary/app-certificate.pem",
    "OSTIARY_DATABASE_URL": f"postgresql://ostiary:{CANARY}@db/ostiary",
    "OSTIARY_KEY_FILE": "/etc/ostiary/keys.json",
}


@pytest.fixture(autouse=True)
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)


def test_production_is_the_default_profile() -> None:
    assert load_settings().profile is Profile.PRODUCTION


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OSTIARY_PUBLIC_URL", "http://connect.larkspur.example"),
        ("OSTIARY_PUBLIC_URL", "https://localhost"),
        ("OSTIARY_PUBLIC_URL", "https://127.0.0.1"),
        ("OSTIARY_CONSOLE_URL", "http://console.larkspur.example"),
        ("OSTIARY_LOGIN_URL", "http://127.0.0.1:8025"),
        ("OSTIARY_GRAPH_URL", "http://127.0.0.1:8025"),
        ("OSTIARY_EWS_URL", "http://127.0.0.1:8025/EWS/Exchange.asmx"),
        ("OSTIARY_CA_FILE", "/tmp/ca.pem"),
        ("OSTIARY_RETURN_URLS", "https://app.larkspur.example/ok,http://app.larkspur.example/not"),
        ("OSTIARY_APP_CERTIFICATE_FILE", None),
        ("OSTIARY_DATABASE_URL", None),
        ("OSTIARY_KEY_FILE", None),
        ("OSTIARY_VENDOR_DATA_KEPT", "Something."),
        ("OSTIARY_VENDOR_NAME", None),
        ("OSTIARY_SHUTDOWN_SECONDS", "0"),
    ],
)
def test_production_refuses_what_is_unsafe_and_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert name in str(caught.value)
    assert CANARY not in str(caught.value)


def test_client_secret_needs_a_word_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OSTIARY_APP_CERTIFICATE_FILE")
    monkeypatch.setenv("OSTIARY_APP_SECRET", CANARY)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "OSTIARY_ALLOW_CLIENT_SECRET" in str(caught.value)
    assert CANARY not in str(caught.value)
    monkeypatch.setenv("OSTIARY_ALLOW_CLIENT_SECRET", "true")
    assert CANARY not in repr(load_settings())


def test_second_registration_needs_a_credential_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTIARY_EWS_APP_CLIENT_ID", "0e4f7d2a-0000-4000-8000-000000000001")
    with pytest.raises(SettingsError, match="OSTIARY_EWS_APP_CERTIFICATE_FILE"):
        load_settings()


def test_file_says_what_the_environment_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "env"
    file.write_text("OSTIARY_PORT=9000\nOSTIARY_VENDOR_NAME=Somebody else\n")
    settings = load_settings(env_file=file)
    assert (settings.port, settings.vendor_name) == (9000, "Larkspur")


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTIARY_RETURN_URLS", " https://a.example/x , https://b.example/y,")
    assert load_settings().return_urls == ("https://a.example/x", "https://b.example/y")


def test_no_settings_show_a_secret_when_printed() -> None:
    settings = load_settings()
    assert CANARY not in repr(settings)
    assert CANARY not in str(settings.model_dump())
    assert CANARY not in settings.model_dump_json()


def test_one_client_id_is_one_registration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTIARY_EWS_APP_CLIENT_ID", load_settings().app_client_id.upper())
    with pytest.raises(SettingsError, match="OSTIARY_EWS_APP_CLIENT_ID"):
        load_settings()
