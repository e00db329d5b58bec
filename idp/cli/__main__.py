"""`python -m idp.cli`: the `yitong` command from a checkout that is not installed."""

from idp.cli import main

if __name__ == "__main__":
    main(prog_name="yitong")
