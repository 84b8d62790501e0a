"""The demo's person reads pages as a browser does: which form, which values, which words, which anti-forgery token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

import aiohttp
import pytest
from yarl import URL

from facility.dev.demo.pages import Form, forms, words
from facility.dev.demo.person import OneAddress, Person
from tests.fakes.small_hub import APPROVE, LOGIN

HUB = "https://hub.demo.svc:31440"


@pytest.fixture
async def person() -> AsyncIterator[Person]:
    async with aiohttp.ClientSession() as http:
        yield Person(HUB, "cms", "alice", "correct horse", http, user="cms-alice", notebook=f"{HUB}/user/cms-alice/")


def cookie(person: Person, value: str, path: str, origin: str = HUB) -> None:
    person.http.cookie_jar.update_cookies(SimpleCookie(f"_xsrf={value}; Path={path}"), URL(origin))


def test_the_login_form_is_found_with_its_fields() -> None:
    (form,) = forms(LOGIN)
    assert form.action == "/login"
    assert form.fields == {"username": "", "password": "", "submit": "Sign in"}


def test_of_radio_buttons_only_the_checked_one_is_sent() -> None:
    (form,) = forms(APPROVE)
    assert form.fields["remember"] == "until-revoked"
    assert form.fields["scope.openid"] == "true"


def test_what_stands_outside_of_forms_is_no_field() -> None:
    assert forms('<input name="a"><form action="/x"><input name="b" value="1"><input value="2"></form>') == [
        Form("/x", {"b": "1"})
    ]


def test_a_page_without_forms_has_none() -> None:
    assert forms("<p>maintenance</p>") == []


def test_words_are_what_a_person_reads() -> None:
    page = "<head><title>no</title></head><script>if (a < b) {}</script><h1>Not you</h1>\n <p>Carol &amp; Bob</p>"
    assert words(page) == "Not you Carol & Bob"


def test_the_head_ends_where_it_ends() -> None:
    assert words("<header>Sign in</header><head>x</head>here") == "Sign in here"


def test_words_of_a_long_page_are_cut() -> None:
    assert len(words("word " * 1000)) == 600


def test_no_page_no_words() -> None:
    assert words("") == ""


def test_the_token_of_the_most_specific_page_is_shown(person: Person) -> None:
    cookie(person, "hub", "/hub/")
    cookie(person, "server", "/user/cms-alice/")
    assert person._xsrf("/hub/") == {"X-XSRFToken": "hub"}
    assert person._xsrf("/user/cms-alice/") == {"X-XSRFToken": "server"}


def test_a_token_of_another_person_or_site_is_not_shown(person: Person) -> None:
    cookie(person, "other", "/user/cms-al/")
    cookie(person, "issuer", "/", "https://iam-cms.demo.svc:31441")
    assert person._xsrf("/user/cms-alice/") == {}


def test_the_whole_site_s_token_serves_where_there_is_no_other(person: Person) -> None:
    cookie(person, "all", "/")
    assert person._xsrf("/user/cms-alice/") == {"X-XSRFToken": "all"}


async def test_password_and_notebook_are_not_printed(person: Person) -> None:
    assert "correct horse" not in repr(person)


async def test_every_name_leads_to_the_one_address() -> None:
    (found,) = await OneAddress("127.0.0.1").resolve("iam-cms.demo.svc", 31441)
    assert (found["hostname"], found["host"], found["port"]) == ("iam-cms.demo.svc", "127.0.0.1", 31441)
