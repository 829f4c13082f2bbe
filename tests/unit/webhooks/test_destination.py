"""Where webhooks may go (SR-78)."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from ostiary.core.kernel.errors import InvalidRequest
from ostiary.core.webhooks.destination import LONGEST_URL, EgressRules, check_url, is_public, public_only

RULES = EgressRules(own_hosts=frozenset({"ostiary.larkspur.example"}))

NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.1.2.3",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "100:0:0:1::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2002:c0a8:101::",
    "2620:4f:8000::1",
    "3fff::1",
    "3ffe::1",
    "4000::1",
    "5f00::1",
    "8000::1",
    "fc00::1",
    "fd00::1",
    "fd12:3456:789a::1",
    "fe80::1",
    "fe80::1%1",
    "febf::1",
    "fec0::1",
    "ff00::1",
    "ff02::1",
    "ff05::2",
    "ff0e::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.1",
    "192.167.255.255",
    "192.169.0.1",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_special_addresses_are_refused(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_taken(address: str) -> None:
    assert is_public(ip_address(address))


def test_one_bad_answer_spoils_a_name() -> None:
    assert public_only(["8.8.8.8"], RULES)
    assert not public_only(["8.8.8.8", "10.0.0.1"], RULES)
    assert not public_only([], RULES)


@pytest.mark.parametrize(
    "url",
    [
        "http://app.larkspur.example/hook",
        "ftp://app.larkspur.example/hook",
        "https:///hook",
        "//app.larkspur.example",
        "app.larkspur.example/hook",
        "https://user@app.larkspur.example/",
        "https://user:word@app.larkspur.example/",
        "https://app.larkspur.example:8443/",
        "https://app.larkspur.example:99999/",
        "https://app.larkspur.example:x/",
        "https://app.larkspur.example/#part",
        "https://app.larkspur.example\\@127.0.0.1/",
        "https://app.larkspur.example/ hook",
        "https://app.larkspur.example/\nhook",
        "https://ostiary.larkspur.example/hook",
        "https://OSTIARY.larkspur.example./hook",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[/",
        "https://bücher.example/",
        "https://app.larkspur.example/" + "x" * 2000,
    ],
)
def test_addresses_that_lead_elsewhere_are_refused(url: str) -> None:
    with pytest.raises(InvalidRequest):
        check_url(url, RULES)


@pytest.mark.parametrize(
    "url",
    [
        "https://app.larkspur.example/hooks/ostiary?from=ostiary",
        "https://app.larkspur.example:443/",
        "https://8.8.8.8/hook",
        "https://[2606:4700:4700::1111]/",
        "https://localhost/",  # a name: what it resolves to is refused when it is called
    ],
)
def test_usual_addresses_are_taken(url: str) -> None:
    check_url(url, RULES)


def test_development_may_call_itself() -> None:
    check_url("http://localhost:9000/hook", EgressRules(allow_private=True))


@pytest.mark.parametrize("host", ["0x7f000001.", "0x7F.1.", "2130706433.", "127.1.", "hooks.0x7f"])
def test_numbers_stay_numbers_behind_a_dot(host: str) -> None:
    with pytest.raises(InvalidRequest, match="usual form"):
        check_url(f"https://{host}/in", EgressRules())


@pytest.mark.parametrize("host", ["hooks.face", "hooks.0xyz", "cafe.example", "hooks.example."])
def test_a_name_of_letters_that_look_like_a_number_is_a_name(host: str) -> None:
    check_url(f"https://{host}/in", EgressRules())


def test_what_is_refused_names_its_field() -> None:
    with pytest.raises(InvalidRequest) as raised:
        check_url("https://10.0.0.1/in", EgressRules())
    assert raised.value.field == "url"


def test_the_longest_address_is_taken_and_one_letter_more_is_not() -> None:
    longest = "https://hooks.example/" + "a" * (LONGEST_URL - len("https://hooks.example/"))
    check_url(longest, EgressRules())
    with pytest.raises(InvalidRequest, match="at most"):
        check_url(longest + "a", EgressRules())


def test_a_refused_port_names_the_allowed_ones_and_development_has_no_list() -> None:
    with pytest.raises(InvalidRequest, match=r"allowed: 443, 8443\."):
        check_url("https://hooks.example:9443/in", EgressRules(ports=frozenset({8443, 443})))
    check_url("https://hooks.example:8443/in", EgressRules(ports=frozenset({8443, 443})))
    check_url("https://hooks.example:9443/in", EgressRules(allow_private=True))


def test_development_may_call_its_own_address() -> None:
    check_url("http://own.example/in", EgressRules(allow_private=True, own_hosts=frozenset({"own.example"})))
