"""Forms are read as the standard library reads them, and nothing of a token is remembered for it."""

from __future__ import annotations

import contextlib
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facility.broker import reading

TEXT = st.text(alphabet="ab=&%+;. é\x00\n:/2fF", max_size=12)


def of_the_library(text: str) -> list[tuple[str, str]] | None:
    with contextlib.suppress(ValueError):
        return parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=reading.MOST
        )
    return None


def ours(text: str) -> list[tuple[str, str]] | None:
    with contextlib.suppress(ValueError):
        return reading.pairs(text)
    return None


@given(TEXT)
def test_any_text_is_read_or_refused_as_by_the_standard_library(text: str) -> None:
    assert ours(text) == of_the_library(text)


@given(st.lists(st.tuples(st.text(max_size=200), st.text(max_size=200)), max_size=8))
def test_what_was_escaped_comes_out_as_it_was(form: list[tuple[str, str]]) -> None:
    assert reading.pairs(urlencode(form)) == form


def test_more_parameters_than_any_request_has_are_refused() -> None:
    assert len(reading.pairs("&".join(["a=b"] * reading.MOST))) == reading.MOST
    with pytest.raises(ValueError, match="too many"):
        reading.pairs("&".join(["a=b"] * (reading.MOST + 1)))


@pytest.mark.parametrize("escaped", [False, True])
def test_no_token_is_remembered(escaped: bool) -> None:
    token = f"eyJhbGciOiJSUzI1NiJ9.{'x' * 200}.{'y' * 86}"
    before = reading.remembered.cache_info().currsize
    told = token.replace(".", "%2E") if escaped else token
    assert reading.pairs(f"subject_token={told}&audience={quote('https://a.test', safe='')}")[0][1] == token
    assert reading.remembered.cache_info().currsize <= before + 1
