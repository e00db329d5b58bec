"""Two sound accounts in each format, and their values that no error may repeat."""

import base64

from tests.migration.bench import HEADER, number, row

NAME, A, B, PHONE = "李明国", number(101), number(202), "13900000017"
FIRST, SECOND = row(1, NAME, A, "word-one"), row(2, "王芳", B)
WHOLE = f"{HEADER}\n{FIRST}\n{SECOND}\n"
LDIF = """
[system]
id = "library"
[source]
format = "ldif"
key = "uid"
[fields]
id_no = "employeeNumber"
name = "cn"
phone = "mobile"
"""
ENTRY = f"dn: uid=r1,dc=x\nuid: r1\ncn:: {base64.b64encode(NAME.encode()).decode()}\nemployeeNumber: {A}\n"
SECRETS = (NAME, "王芳", A, A[:17], B, PHONE, "word-one")
THIRD = row(3, "周五", number(303))
BROKEN = f"9,u,{NAME},{B}"
OTHER = f"dn: uid=r3,dc=x\nuid: r3\ncn: Z\nemployeeNumber: {number(303)}\n"


def lines(*texts):
    return "\n".join((HEADER, *texts)) + "\n"


def between(*middle):
    """A file whose first and last accounts are sound."""
    return lines(FIRST, *middle, THIRD)


def entries(middle):
    return f"{ENTRY}\n{middle}\n{OTHER}"


def entry(more, uid="uid: r2\n"):
    return f"dn: uid=r2,dc=x\n{uid}{more}"
