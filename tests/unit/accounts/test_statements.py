"""A statement's parameters and result columns are read through SQLAlchemy's public names alone."""

import ast

import pytest
import sqlalchemy as sa

from accounts.database import PostgresConnection, SqliteConnection, Statement, insert_unless_present
from tests.architecture.tracked import text_of, tracked

TABLE = sa.Table(
    "tickets",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text),
    sa.Column("spent", sa.Boolean),
)
NAME = sa.bindparam("called", type_=sa.Text)
# The statement → its parameters, and its result columns.
CASES = {
    "plain insert": (sa.insert(TABLE), ["id", "name", "spent"], []),
    "insert unless present": (insert_unless_present(TABLE), ["id", "name", "spent"], []),
    "insert of values": (sa.insert(TABLE).values(name=NAME), ["called"], []),
    "insert from select": (sa.insert(TABLE).from_select(["name"], sa.select(NAME)), ["called"], []),
    "insert returning": (sa.insert(TABLE).returning(TABLE.c.id), ["id", "name", "spent"], ["id"]),
    "update returning": (sa.update(TABLE).values(name=NAME).returning(TABLE.c.spent), ["called"], ["spent"]),
    "select": (sa.select(TABLE.c.id, TABLE.c.name), [], ["id", "name"]),
    "union": (sa.union_all(sa.select(TABLE.c.id), sa.select(TABLE.c.id)), [], ["id"]),
}


@pytest.mark.parametrize("connection", [SqliteConnection, PostgresConnection])
@pytest.mark.parametrize("case", CASES)
def test_a_statement_asks_and_answers_as_it_says(case, connection):
    """An INSERT without values fills every column; one with values fills only those."""
    clause, asks, answers = CASES[case]
    compiled = Statement(clause).compiled(connection.dialect)
    assert [name for name, _ in compiled.parameters] == asks
    assert list(compiled.row._fields) == answers


def test_an_insert_may_name_the_columns_it_fills():
    """`columns` is another way to limit the columns."""
    compiled = Statement(sa.insert(TABLE), columns=["name"]).compiled(SqliteConnection.dialect)
    assert [name for name, _ in compiled.parameters] == ["name"]


def test_no_private_name_of_a_library_is_read():
    """Private names may vanish with any release: only those of `self` and our own classes are used."""
    found = [
        f"{name}:{node.lineno} {ast.unparse(node)}"
        for name in tracked(
            "accounts/database/statements.py", "accounts/database/__init__.py", "accounts/database/*.py"
        )
        for node in ast.walk(ast.parse(text_of(name)))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and ast.unparse(node) != "self.row._make"  # a public method of namedtuple in spite of its name
        and ast.unparse(node.value) not in {"self", "self._mine", "self._database"}
    ]
    assert found == []
