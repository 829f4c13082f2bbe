"""A secret shows itself to nobody who does not ask by name (SR-42)."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import orjson
import pytest

from ostiary.core.kernel.secret import Secret

CANARY = "canary-3f9c1b77"


@pytest.fixture
def secret() -> Secret:
    return Secret(CANARY)


def test_nothing_that_makes_text_of_it_shows_a_secret(
    secret: Secret, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("anything").debug("%s %r %s", secret, secret, {"key": [secret]})
    made = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret:>40}",
        f"{secret!r}",
        caplog.text,
    ]
    made += ["{}".format(secret), repr([secret]), str({"token": secret}), json.dumps({"t": str(secret)})]  # noqa: UP032
    assert not [text for text in made if CANARY in text]
    assert "‹secret›" in str(secret)


def test_a_secret_is_no_json_and_no_pickle_and_has_no_copy(secret: Secret) -> None:
    with pytest.raises(TypeError):
        json.dumps({"token": secret})
    with pytest.raises(TypeError):
        orjson.dumps({"token": secret})
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError, match="copied"):
        copy.deepcopy(secret)
    with pytest.raises(TypeError):
        vars(secret)


def test_a_secret_equals_an_equal_secret_and_never_a_text(secret: Secret) -> None:
    assert secret == Secret(CANARY)
    assert secret != Secret(CANARY + "x")
    assert secret != CANARY
    with pytest.raises(TypeError, match="not a key"):
        hash(secret)


def test_an_exception_that_carries_a_secret_does_not_show_it(secret: Secret) -> None:
    with pytest.raises(ValueError, match="cannot use") as raised:
        raise ValueError("cannot use", secret)
    assert CANARY not in "".join(traceback.format_exception(raised.value))


def test_its_holder_gets_the_value_and_can_ask_whether_there_is_one(secret: Secret) -> None:
    assert secret.reveal() == CANARY
    assert secret
    assert not Secret("")
