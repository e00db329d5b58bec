"""What the demonstration prints when it is up: the addresses, the people to log in as, and what to see."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from demo.services import Ports

LEGACY = Path(__file__).resolve().parent / "legacy"


def print_banner(told: dict[str, Any], ports: Ports, personas: Path, env_file: Path) -> None:
    """Print addresses, people and next steps, in Chinese and English."""
    out = Console(highlight=False)
    out.print("\n[bold]一通 Yitong[/] 已启动 is running. Ctrl-C 停止 stops it.\n")
    out.print(_addresses(told, ports))
    _print_people(out, told)
    _print_enterprises(out, told)
    out.print(f"\n供脚本使用 for scripts: {personas}")
    if any(LEGACY.glob("*.toml")):
        _print_merge(out, told, env_file)


def _addresses(told: dict[str, Any], ports: Ports) -> Table:
    table = Table("网站 site", "地址 address", box=None, pad_edge=False)
    for name, address in (
        ("住房公积金 housing fund", ports.origin_of("housing_fund")),
        ("社会保险 social security", ports.origin_of("social_security")),
        ("市民论坛 civic forum (legacy)", ports.origin_of("civic_forum")),
        ("企业服务 enterprise services", ports.origin_of("enterprise_services")),
        ("我的账号 my account", f"{told['issuer']}/account"),
        ("演示短信 text messages", told["messages"]),
        ("一通 the provider", told["issuer"]),
    ):
        table.add_row(name, address)
    return table


def _people(told: dict[str, Any]) -> Table:
    """The people. What has to be typed is never cut off, however narrow the terminal."""
    table = Table(box=None, pad_edge=False)
    for title in ("姓名 name", "号码 identifier", "密码 password"):
        table.add_column(f"\n{title}", no_wrap=True)
    for citizen in told["citizens"]:
        table.add_row(citizen["name"], citizen["identifier"], citizen["password"])
    return table


def _print_people(out: Console, told: dict[str, Any]) -> None:
    """Print the people to log in as, then what each of them shows."""
    out.print(_people(told))
    out.print("\n也可以用手机号登录 the same password works with a verified phone:")
    for citizen in told["citizens"]:
        if citizen["logs_in_by_phone"]:
            out.print(f"  {citizen['name']}  {citizen['phone'].removeprefix('+86')}", markup=False)
    out.print(
        "\n登录以后可在“登录方式”里绑定演示的微信和支付宝 bind the sandbox's WeChat and Alipay under “Ways to sign in”"
    )
    out.print("\n看什么 what to see")
    for citizen in told["citizens"]:
        out.print(f"{citizen['name']}  {citizen['shows_zh']}", soft_wrap=True)
        out.print(Padding(f"[dim]{citizen['shows']}[/]", (0, 0, 0, 2)))


def _print_enterprises(out: Console, told: dict[str, Any]) -> None:
    """Print the companies, and who signs in for them."""
    out.print("\n代表单位登录，在企业服务 log in for an organisation, at the enterprise services:")
    for company in told["enterprises"]:
        who = "、".join(
            (
                f"{company['representative']}（法定代表人 representative）",
                *(f"{name}（经办人 handler）" for name in company["handlers"]),
            )
        )
        out.print(f"{company['name']}  {company['uscc']}  {who}", soft_wrap=True, markup=False)
        out.print(Padding(f"[dim]{company['shows_zh']} {company['shows']}[/]", (0, 0, 0, 2)))


def _print_merge(out: Console, told: dict[str, Any], env_file: Path) -> None:
    """Print the merge commands, and who can log in afterwards."""
    older = told["older_accounts"][0]
    out.print("\n[bold]归并旧系统的账号 merging an older system's accounts[/]")
    out.print("在另一个终端、本目录里输入 type this in a second terminal, in this directory:")
    for line in (
        f"export YITONG_ENV_FILE={shlex.quote(str(env_file))}",
        'yitong() { .venv/bin/python -m idp.cli "$@"; }',
        f"yitong merge plan demo/legacy/{older['system']}.toml",
    ):
        out.print(f"  {line}", soft_wrap=True, markup=False)
    out.print("再输入它最后打印的一行 then the line that it prints last: yitong merge apply …")
    out.print(f"在论坛登录 log in at the forum: {older['login_name']}  {older['password']}  ({older['name']})")
    out.print("撤销 take it back: yitong merge undo --run RUN --yes; RUN: yitong merge status")
