"""What the demonstration says when it is up: where to go, as whom, and what to see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from demo.services import Ports

LEGACY = Path(__file__).resolve().parent / "legacy"


def print_welcome(told: dict[str, Any], ports: Ports, personas: Path, env_file: Path) -> None:
    """Addresses, people and next steps are on the terminal, in Chinese and English."""
    out = Console(highlight=False)
    out.print("\n[bold]一通 Yitong[/] 已启动 is running. Ctrl-C 停止 stops it.\n")
    out.print(_addresses(told, ports))
    out.print(_people(told))
    out.print(f"供脚本使用 for scripts: {personas}")
    if any(LEGACY.glob("*.toml")):
        _print_merge(out, told, env_file)


def _addresses(told: dict[str, Any], ports: Ports) -> Table:
    table = Table("网站 site", "地址 address", box=None, pad_edge=False)
    for name, address in (
        ("住房公积金 housing fund", ports.origin_of("housing_fund")),
        ("社会保险 social security", ports.origin_of("social_security")),
        ("市民论坛 civic forum (legacy)", ports.origin_of("civic_forum")),
        ("我的账号 my account", f"{told['issuer']}/account"),
        ("演示短信 text messages", told["messages"]),
        ("一通 the provider", told["issuer"]),
    ):
        table.add_row(name, address)
    return table


def _people(told: dict[str, Any]) -> Table:
    """What has to be typed is never cut off, however narrow the terminal."""
    table = Table(box=None, pad_edge=False)
    table.add_column("\n姓名 name", no_wrap=True)
    table.add_column("\n号码与密码 identifier and password", no_wrap=True)
    table.add_column("\n看什么 what to see", overflow="fold")  # Chinese has no spaces at which to break
    for citizen in told["citizens"]:
        typed = f"{citizen['identifier']}\n{citizen['password']}"
        table.add_row(citizen["name"], typed, f"{citizen['shows_zh']}\n[dim]{citizen['shows']}[/]")
    return table


def _print_merge(out: Console, told: dict[str, Any], env_file: Path) -> None:
    """The commands as they can be typed, and who logs in afterwards."""
    older = told["older_accounts"][0]
    merge = f"  .venv/bin/python -m idp.cli --env-file {env_file} merge"
    out.print("\n[bold]等待归并的旧系统数据 an export waiting to be merged[/]: demo/legacy/")
    out.print(f"{merge} plan demo/legacy/{older['system']}.toml", soft_wrap=True)
    out.print(f"{merge} apply var/plans/{older['system']}-… --yes", soft_wrap=True)
    out.print(f"{merge} undo --run … --yes", soft_wrap=True)
    out.print(
        f"  然后在论坛登录 then log in at the forum: {older['login_name']} / {older['password']} ({older['name']})"
    )
