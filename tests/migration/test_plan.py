import hashlib
import os
import secrets
import shutil
from datetime import date

import orjson
import pytest

from accounts.identifiers import CitizenId
from accounts.people import NewPerson
from accounts.vault import Vault
from migration_tools.errors import MergeRefused, PlanRefused, SourceRefused
from migration_tools.planning import plan as plans
from migration_tools.planning import refusals
from migration_tools.planning.matching import AUTO, CLASSES
from tests.migration.bench import LEGACY, MAPPING, number, row

A, B, C, D = (number(n) for n in (101, 202, 303, 404))

GOLDEN_FORUM = {
    "counts": {
        "auto": 146,
        "already_linked": 0,
        "personal_key": 1,
        "duplicate_in_system": 2,
        "no_number": 18,
        "bad_number": 9,
        "no_name": 4,
        "contradiction": 5,
        "not_the_same": 0,
        "name_conflict": 0,
        "contested_number": 8,
        "old_number_unconfirmed": 9,
        "refused": 0,
    },
    "reasons": {
        "bad_number:citizen_id_check": 5,
        "bad_number:citizen_id_date": 2,
        "bad_number:citizen_id_length": 1,
        "bad_number:identifier_foreign_characters": 1,
        "contradiction:birth": 3,
        "contradiction:sex": 2,
    },
    "passwords": {"usable": 116, "derivable": 30, "unscreened": 0, "unreadable": 0, "none": 0},
    "persons": {"new": 139, "known": 0},
}
GOLDEN_LIBRARY = {
    "counts": {**dict.fromkeys(CLASSES, 0), "auto": 52, "no_number": 7, "no_name": 1},
    "reasons": {},
    "passwords": {"usable": 52, "derivable": 0, "unscreened": 0, "unreadable": 0, "none": 0},
    "persons": {"new": 51, "known": 0},
}


@pytest.mark.parametrize(("name", "golden"), [("forum.csv", GOLDEN_FORUM), ("library.ldif", GOLDEN_LIBRARY)])
def test_the_demonstration_exports_give_their_golden_report(bench, name, golden):
    """A change of a rule, a reader or a normaliser changes these counts."""
    source = LEGACY / name
    plan = bench.plan_of(source.with_suffix(".toml"), source)
    assert {key: plan.manifest[key] for key in golden} == golden


def test_every_row_is_in_exactly_one_class(bench):
    """As many rows are classified as were read, and each line names its row."""
    plan = bench.plan_of(LEGACY / "forum.toml", LEGACY / "forum.csv")
    assert [line.row for line in plan.lines()] == list(range(1, plan.rows + 1))
    assert sum(plan.manifest["counts"].values()) == plan.rows


def test_a_plan_holds_no_number_no_name_and_no_hash(bench):
    """The plan's files contain keys of the old system and no personal data."""
    source = LEGACY / "forum.csv"
    plan = bench.plan_of(LEGACY / "forum.toml", source)
    kept = b"".join(file.read_bytes() for file in plan.path.iterdir() if file.name != plans.MAPPING).decode()
    header, *lines = source.read_bytes().decode("gb18030").splitlines()
    for line in lines:
        values = dict(zip(header.split(","), line.split(","), strict=True))
        for column in ("姓名", "身份证号", "手机号", "密码"):
            assert len(values[column]) < 2 or values[column] not in kept
    assert sorted(file.name for file in plan.path.iterdir()) == [
        "lines.jsonl",
        "manifest.json",
        "mapping.toml",
        "refused.csv",
    ]


def test_planning_writes_nothing_to_the_database(bench):
    """A plan can be made on the production system."""
    before = bench.state()
    bench.plan(row(1, "李明", A), row(2, "王芳", B))
    assert bench.state() == before


@pytest.mark.parametrize(
    ("rows", "kinds"),
    [
        ([row(1, "李明", A)], [AUTO]),
        ([row(1, "李 明", A), row(2, "李明", A)], [AUTO, AUTO]),
        ([row(1, "李明", A), row(2, "王芳", A)], ["contested_number"] * 2),
        ([row(1, "李明", A), row(1, "王芳", B)], ["duplicate_in_system"] * 2),
        ([row(1, "李明", A[:6] + A[8:17])], ["old_number_unconfirmed"]),
        ([row(1, "李明", A[:6] + A[8:17]), row(2, "李明", A)], [AUTO, AUTO]),
        ([row(1, "李明", A[:6] + A[8:17]), row(2, "王芳", A)], ["contested_number"] * 2),
        ([row(1, "李明", A, birth="1951-02-03", sex="男")], [AUTO]),
        ([row(1, "李明", A, birth="1951-02-04")], ["contradiction:birth"]),
        ([row(1, "李明", A, sex="女")], ["contradiction:sex"]),
        ([row(1, "", A)], ["no_name"]),
        ([row(1, "李*", A)], ["no_name"]),
        ([row(1, "李明", "")], ["no_number"]),
        ([row(A, "李明", A)], ["personal_key"]),
    ],
)
def test_only_number_and_name_without_a_contradiction_link(bench, rows, kinds):
    """Each doubt has its own class."""
    assert bench.kinds(bench.plan(*rows)) == kinds


@pytest.fixture
def known(bench, people, clock):
    """李明, registered at the counter."""
    with bench.database.transaction() as c:
        new = NewPerson("李明", (CitizenId.parse(A),), birth_date=date(1951, 2, 3))
        return people.register(c, new, now=clock())


@pytest.fixture
def people(vault):
    from accounts.people import People  # noqa: PLC0415

    return People(vault)


def test_a_row_links_to_the_person_who_is_known_only_under_the_same_name(bench, known):
    """An account under a known person's number with another name is not linked: it waits for its owner."""
    plan = bench.plan(row(1, "李明", A), row(2, "李卫国", A))
    assert bench.kinds(plan) == [AUTO, "name_conflict"]
    linked = next(plan.lines())
    assert (linked.person, linked.is_new) == (known.id, False)


def test_a_known_person_confirms_a_15_digit_number(bench, known):
    """The register is the second source that a 15-digit number needs."""
    assert bench.kinds(bench.plan(row(1, "李明", A[:6] + A[8:17]))) == [AUTO]


@pytest.mark.parametrize("status", ["disabled", "deceased", "closed"])
def test_nothing_links_to_a_person_who_is_no_longer_active(bench, known, people, clock, status):
    """A dead person gets no accounts."""
    with bench.database.transaction() as c:
        people.change_status(c, known.id, status, now=clock())
    assert bench.kinds(bench.plan(row(1, "李明", A))) == ["contradiction:owner_not_active"]


def test_default_passwords_are_found_by_value_and_by_frequency(bench):
    """A password that a clerk set for everybody is not usable, whatever its value."""
    mapping = (
        MAPPING.replace('"hex(md5(p+s))"', '"hex(md5(p))"')
        .replace('salt = "salt"\n', "")
        .replace("e2fc714c4727ee9395f324cd2e7f331f", "900150983cd24fb0d6963f7d28e17f72")
    )
    import hashlib  # noqa: PLC0415

    def unsalted(uid, password):
        cells = row(uid, f"李{'明华国强'[uid % 4]}", number(uid)).split(",")
        cells[6] = hashlib.md5(password.encode()).hexdigest()
        return ",".join(cells)

    rows = [unsalted(i, "Forum2009!") for i in range(100, 160)]
    rows += [unsalted(200, "888888"), unsalted(201, number(201)[-6:]), unsalted(202, "a word of my own")]
    passwords = [line.password for line in bench.plan(*rows, mapping=mapping).lines()]
    assert passwords == ["derivable"] * 62 + ["usable"]


def test_an_empty_export_stops_the_run(bench):
    """An empty export is refused: it must not count as a city without people."""
    with pytest.raises(MergeRefused, match="source_empty"):
        bench.plan()


def test_a_shrunken_export_stops_the_run_unless_the_mapping_expects_it(bench):
    """Less than 99 % of the last run's rows is a broken export, unless the mapping declares the size."""
    rows = [row(i, "李明", number(i)) for i in range(100, 200)]
    bench.apply(bench.plan(*rows))
    bench.plan(*rows[:99])
    with pytest.raises(MergeRefused, match="98 rows where the last run read 100"):
        bench.plan(*rows[:98])
    expected = MAPPING.replace('key = "id"', 'key = "id"\nexpect_rows = [90, 110]')
    assert bench.plan(*rows[:98], mapping=expected).rows == 98
    with pytest.raises(MergeRefused, match="source_size"):
        bench.plan(*rows[:80], mapping=expected)


def test_a_refused_source_leaves_no_plan_behind(bench):
    """A directory with a plan's name is always a complete plan."""
    with pytest.raises(MergeRefused):
        bench.plan(row(1, "李明", A), '2,"broken')
    assert list((bench.path / "plans").iterdir()) == []


def test_a_fault_at_the_end_is_found_before_anything_is_compared(bench):
    """Comparing a city's export takes an hour, so faults of the file are reported first."""
    asked = []
    bench.database.count = lambda: asked.append(1)
    with pytest.raises(SourceRefused):
        bench.plan(*[row(i, "李明", number(i)) for i in range(100, 999)], '999,"open')
    assert asked == []
    bench.plan(row(1, "李明", A))
    assert asked != []
    bench.database.count = lambda: None


def test_what_a_killed_planner_left_is_removed_after_a_day(bench):
    """A leftover working table, which holds the keys of all accounts, is removed; one in use today stays."""
    plan, now = bench.plan(row(1, "李明", A)), bench.clock().timestamp()
    old, young = (plan.path.with_name(f".partial-forum-{age}") for age in ("old", "young"))
    for left, age in ((old, 90_000), (young, 3_000)):
        left.mkdir()
        (left / "work.db").write_bytes(b"1")
        os.utime(left, (now - age, now - age))
    bench.plan(row(2, "王芳", B))
    assert (old.exists(), young.exists()) == (False, True)


@pytest.mark.parametrize("name", [plans.MANIFEST, plans.LINES, plans.MAPPING, refusals.NAME])
def test_a_changed_plan_is_refused(bench, name):
    """With one more byte in any of its files a plan is refused."""
    plan = bench.plan(row(1, "李明", A))
    file = plan.path / name
    file.write_bytes(file.read_bytes().replace(b"forum", b"f0rum", 1) + b"\n")
    with pytest.raises(PlanRefused):
        plans.load(plan.path)


def test_a_plan_of_other_rules_is_refused(bench):
    """A program applies only plans made by its own rules."""
    plan = bench.plan(row(1, "李明", A))
    manifest = dict(plan.manifest) | {"rules": "0"}
    (plan.path / plans.MANIFEST).write_bytes(orjson.dumps(plans.sealed_manifest(manifest, bench.vault)))
    with pytest.raises(PlanRefused, match="other rules"):
        plans.load(plan.path)


def test_a_directory_that_is_no_plan_is_refused(bench):
    """A wrong path gets an error message."""
    plan = bench.plan(row(1, "李明", A))
    shutil.rmtree(plan.path)
    with pytest.raises(PlanRefused, match="is no plan"):
        plans.load(plan.path)


def test_a_plan_made_under_another_vault_is_refused(bench):
    """Even with a database whose keys are right, the manifest's signature is not of this vault."""
    plan = bench.plan(row(1, "李明", A))
    bench.vault = Vault.from_keys([("other", secrets.token_bytes(32))])
    before = bench.state()
    with pytest.raises(PlanRefused, match="other vault keys"):
        bench.apply(plan)
    assert bench.state() == before


def test_a_plan_changed_by_somebody_without_the_key_is_refused(bench):
    """An attacker can compute the digests again, but not the signature."""
    plan = bench.plan(row(1, "李明", A))
    forged = dict(plan.manifest) | {"system": "another"}
    held = {name: value for name, value in forged.items() if name != "digest"}
    forged["digest"] = hashlib.sha256(orjson.dumps(held, option=orjson.OPT_SORT_KEYS)).hexdigest()
    (plan.path / plans.MANIFEST).write_bytes(orjson.dumps(forged))
    with pytest.raises(PlanRefused, match="other vault keys"):
        bench.apply(plans.load(plan.path))
