"""Who may come to an access point, and under which account: rendered so that nobody is taken for another."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facility.condor import accounts, mapfile
from facility.users import SUBJECT, FacilityUser, FacilityUserSpec
from tests.fakes.objects import user, vo

SUBJECTS = st.from_regex(SUBJECT, fullmatch=True)


def test_each_person_with_an_account_has_one_line_of_their_own() -> None:
    text = mapfile.access_point(vo("cms"), [user("cms", "bob", 20002), user("cms", "alice", 20001)])
    assert text.splitlines() == [
        'SCITOKENS "https://iam-cms.test/,sub-alice" cms_alice@pool',
        'SCITOKENS "https://iam-cms.test/,sub-bob" cms_bob@pool',
        r"IDTOKENS /^(.*)$/ \1",
    ]


def test_people_of_another_vo_and_people_without_a_uid_have_none() -> None:
    text = mapfile.access_point(vo("cms"), [user("atlas", "eve", 20001), user("cms", "new", None)])
    assert "SCITOKENS" not in text


@given(st.lists(SUBJECTS, unique=True, max_size=20))
def test_a_subject_stays_within_its_line_and_its_quotes(subjects: list[str]) -> None:
    people = [_with_subject(number, sub) for number, sub in enumerate(subjects)]
    lines = mapfile.access_point(vo("cms"), people).splitlines()[:-1]
    keys = [re.fullmatch(r'SCITOKENS "https://iam-cms\.test/,([^" ]+)" cms_p[0-9]+@pool', line) for line in lines]
    assert sorted(key[1] for key in keys if key) == sorted(subjects)


@pytest.mark.parametrize("sub", ['a" cms_bob@pool', "a b", "a\nSCITOKENS", "a,b", "a\\b", "ä", ""])
def test_a_subject_that_could_end_its_line_early_is_refused(sub: str) -> None:
    forged = FacilityUser.model_construct(
        spec=FacilityUserSpec.model_construct(vo="cms", sub=sub, name="eve", uid=20001)
    )
    with pytest.raises(ValueError, match="cms-eve"):
        mapfile.access_point(vo("cms"), [forged])


def test_the_central_manager_knows_each_issuer_and_gives_its_people_nothing_but_a_look() -> None:
    lines = mapfile.central_manager([vo("cms"), vo("atlas")]).splitlines()
    identities = [line.split()[-1] for line in lines]
    assert identities == ["atlas@people", "cms@people", r"\1"]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("https://iam-cms.test/,sub", True),
        ("https://iam-cms.test,sub", False),
        ("https://iam-cmsXtest/,sub", False),
        ("https://iam-cms.test/more/,sub", False),
        ("xhttps://iam-cms.test/,sub", False),
        ("https://iam-cms.test/,sub,cms", False),
    ],
)
def test_the_central_manager_takes_no_issuer_for_another(name: str, known: bool) -> None:
    line = mapfile.central_manager([vo("cms")]).splitlines()[0]
    expression = line.removeprefix("SCITOKENS /").rpartition("/ ")[0]
    assert bool(re.search(expression, name)) is known


def test_accounts_have_a_group_of_their_own_and_no_way_to_sign_in() -> None:
    files = accounts.files([user("cms", "bob", 20002), user("cms", "alice", 20001)])
    assert files["passwd"].splitlines() == [
        "cms_alice:x:20001:20001::/nonexistent:/usr/sbin/nologin",
        "cms_bob:x:20002:20002::/nonexistent:/usr/sbin/nologin",
    ]
    assert files["group"] == "cms_alice:x:20001:\ncms_bob:x:20002:\n"
    assert all(line.split(":")[1] == "*" for line in files["shadow"].splitlines())


def test_two_people_never_have_one_uid() -> None:
    with pytest.raises(accounts.AccountsError, match="cms-bob and cms_alice have the same uid 20001"):
        accounts.files([user("cms", "alice", 20001), user("cms", "bob", 20001)])


def test_no_person_has_a_uid_of_the_system() -> None:
    low = FacilityUser.model_construct(spec=FacilityUserSpec.model_construct(vo="cms", sub="s", name="root", uid=4242))
    with pytest.raises(accounts.AccountsError, match="below 20000"):
        accounts.files([low])


def test_slots_have_accounts_that_no_person_can_have() -> None:
    lines = accounts.slots(64)["passwd"].splitlines()
    uids = [int(line.split(":")[2]) for line in lines]
    assert lines[0].endswith(":/tmp:/bin/bash"), "condor_ssh_to_job begins their shell"
    assert len(set(uids)) == 64
    assert max(uids) < accounts.LOWEST_UID


def _with_subject(number: int, sub: str) -> FacilityUser:
    spec = {"vo": "cms", "sub": sub, "name": f"p{number}", "uid": 20000 + number}
    return FacilityUser.parse({"spec": spec})
