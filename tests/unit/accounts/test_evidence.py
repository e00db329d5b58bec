from datetime import UTC, datetime, timedelta

import pytest

from accounts.evidence import LEVELS, Evidence, EvidenceKind, identity_assurance, upstream_kind

NOW = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)


def checked(kind, *, expires=None, withdrawn=None):
    return Evidence("e", "p", kind, "hall:519999", NOW - DAY, expires, withdrawn)


def test_nothing_checked_is_level_0():
    """A person without evidence has no assurance."""
    assert identity_assurance([], NOW) == 0


def test_every_kind_has_one_level():
    """Each kind of evidence has one level, defined once."""
    assert sorted(kind for kind, _ in LEVELS) == sorted(EvidenceKind)


@pytest.mark.parametrize(("kind", "level"), LEVELS)
def test_one_check_alone(kind, level):
    """One check gives exactly its own level."""
    assert identity_assurance([checked(kind)], NOW) == level


def test_a_phone_and_social_accounts_never_exceed_level_1():
    """Phone, WeChat and an older account together are still level 1."""
    weak = (EvidenceKind.PHONE, EvidenceKind.UPSTREAM_ACCOUNT, EvidenceKind.LEGACY_ACCOUNT)
    assert identity_assurance([checked(kind) for kind in weak], NOW) == 1


def test_chip_comparison_and_authority_together_are_level_4():
    """Level 4 needs chip, face and the authority's confirmation at the counter; two of them are not enough."""
    counter = [
        checked(EvidenceKind.CHIP_READ),
        checked(EvidenceKind.COUNTER_COMPARISON),
        checked(EvidenceKind.AUTHORITY_CONFIRMATION),
    ]
    assert identity_assurance(counter, NOW) == 4
    assert [identity_assurance(counter[:i] + counter[i + 1 :], NOW) for i in range(3)] == [3, 2, 3]


def test_assurance_falls_when_evidence_expires():
    """A check stops counting when it expires, and the level falls to that of the rest."""
    held = [checked(EvidenceKind.FACE_MATCH, expires=NOW + DAY), checked(EvidenceKind.PHONE)]
    assert identity_assurance(held, NOW) == 3
    assert identity_assurance(held, NOW + DAY) == 1


def test_assurance_falls_when_evidence_is_withdrawn():
    """A withdrawn check does not count."""
    assert identity_assurance([checked(EvidenceKind.CERTIFICATE, withdrawn=NOW)], NOW) == 0


def test_tomorrows_evidence_does_not_count_today():
    """A check dated in the future does not count yet."""
    assert identity_assurance([checked(EvidenceKind.CERTIFICATE)], NOW - 2 * DAY) == 0


def test_an_unknown_upstream_grade_is_worth_nothing():
    """A grade without a mapping gives no evidence."""
    assert upstream_kind("guangdong", "4") is EvidenceKind.FACE_MATCH
    assert upstream_kind("guangdong", "9") is None
