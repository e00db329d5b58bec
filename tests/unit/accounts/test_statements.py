"""What a statement fills and answers with is read through SQLAlchemy's public names alone."""

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
# What the statement is → the parameters it asks for, and the columns it answers with.
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
    """An INSERT that names nothing fills every column; one that names values fills those alone."""
    clause, asks, answers = CASES[case]
    compiled = Statement(clause).compiled(connection.dialect)
    assert [name for name, _ in compiled.parameters] == asks
    assert list(compiled.row._fields) == answers


def test_an_insert_may_name_the_columns_it_fills():
    """`columns` is the other way to leave one out."""
    compiled = Statement(sa.insert(TABLE), columns=["name"]).compiled(SqliteConnection.dialect)
    assert [name for name, _ in compiled.parameters] == ["name"]


def test_no_private_name_of_a_library_is_read():
    """A name with an underscore may go with any release: none is read of what is not `self` or our own class."""
    found = [
        f"{name}:{node.lineno} {ast.unparse(node)}"
        for name in tracked(
            "accounts/database/statements.py", "accounts/database/__init__.py", "accounts/database/*.py"
        )
        for node in ast.walk(ast.parse(text_of(name)))
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and ast.unparse(node) != "self.row._make"  # namedtuple's own, public in spite of its name
        and ast.unparse(node.value) not in {"self", "self._mine", "self._database"}
    ]
    assert found == []
