"""`python -m idp.cli`: the `yitong` command from a checkout that is not installed."""

from idp.cli import main

main(prog_name="yitong")
