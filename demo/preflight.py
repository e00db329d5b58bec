"""What can stop the demonstration, found before it does harm. Each says why and what to do, in two languages."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path

from accounts import private_files
from demo.services import Ports

PATIENCE = 8.0  # seconds to wait for a killed run, whose processes end within five


class CannotStart(Exception):
    """The reason and what to do, in Chinese and then in English."""

    def __init__(self, chinese: str, english: str) -> None:
        super().__init__(f"{chinese}\n  {english}")


def read_ports(text: str | None) -> Ports:
    """Five different ports, or the default ones. Raises CannotStart."""
    if not text:
        return Ports()
    numbers = [int(word) for word in text.split(",") if word.strip().isdecimal()]
    if len(numbers) != 5 or text.count(",") != 4 or len({*numbers}) != 5 or not all(0 < n < 65536 for n in numbers):
        raise CannotStart(
            "YITONG_DEMO_PORTS 应为五个不同的端口号（1–65535），例如 8000,8001,8002,8003,8004。",
            "YITONG_DEMO_PORTS must be five different ports (1-65535), such as 8000,8001,8002,8003,8004.",
        )
    return Ports(*numbers)


def require_free(port: int) -> None:
    """Raises CannotStart if something listens on the port, or this process may not."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise CannotStart(
                f"没有权限使用端口 {port}。请用 YITONG_DEMO_PORTS 指定 1024 以上的端口。",
                f"You may not use port {port}. Set YITONG_DEMO_PORTS to ports above 1024.",
            ) from None
        except OSError:
            raise CannotStart(
                f"端口 {port} 已被占用。请先停止占用它的程序，或设置 YITONG_DEMO_PORTS。",
                f"Port {port} is taken. Stop the program that uses it, or set YITONG_DEMO_PORTS.",
            ) from None


def free_port() -> int:
    """A port at which nothing listened a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def the_only_run(directory: Path) -> Iterator[int]:
    """No other run uses the directory meanwhile. Yields the lock; the processes of this run hold it, too.

    The system frees it when the last of them has ended, in whatever way. So a run after a kill waits for what the
    killed one left, and RESET=1 never deletes the files of a running city.
    """
    with unwritable_explained(directory):
        private_files.make_directory(directory)
        lock = os.open(directory / "demo-run.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with unwritable_explained(directory):
            _wait_for(lock, directory)
        yield lock
    finally:
        os.close(lock)


def _wait_for(lock: int, directory: Path) -> None:
    deadline, told = time.monotonic() + PATIENCE, False
    while True:
        with suppress(BlockingIOError):
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not told:
            print("正在等待上一次演示结束…… Waiting for the last run to end …", file=sys.stderr, flush=True)
            told = True
        if time.monotonic() > deadline:
            raise CannotStart(
                f"{directory} 里的演示正在运行。请先用 Ctrl-C 停止它；要同时运行两个，请设置 YITONG_DEMO_DIR 和 "
                "YITONG_DEMO_PORTS。",
                f"A demonstration is running in {directory}. Stop it with Ctrl-C; for two at once set YITONG_DEMO_DIR "
                "and YITONG_DEMO_PORTS.",
            )
        time.sleep(0.2)


@contextmanager
def unwritable_explained(directory: Path) -> Iterator[None]:
    """TurnQueue an OSError inside into CannotStart, which names the place or the disk that refused."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise full(directory) from error
        raise unwritable(Path(error.filename or directory), error.strerror or "") from error


def unwritable(path: Path, why: str) -> CannotStart:
    """The system does not allow writing there."""
    return CannotStart(
        f"无法写入 {path}（{why}）。请修改权限，或用 YITONG_DEMO_DIR 指定别的目录。",
        f"Cannot write to {path} ({why}). Change its permissions, or set YITONG_DEMO_DIR.",
    )


def full(directory: Path) -> CannotStart:
    """The disk is full."""
    return CannotStart(
        f"{directory} 所在的磁盘已满。请腾出约 100 MB 空间，或用 YITONG_DEMO_DIR 指定别的目录，再运行一次。",
        f"The disk of {directory} is full. Free about 100 MB, or set YITONG_DEMO_DIR, and run it again.",
    )


def damaged(database: Path) -> CannotStart:
    """The database cannot be read, or was sealed with keys that are gone."""
    return CannotStart(
        f"演示数据库 {database} 已损坏，或与密钥不符。请用 make demo RESET=1 重新开始（演示数据会清空）。",
        f"The demonstration's database {database} is damaged, or does not fit its keys. Start over with "
        "make demo RESET=1; what is in it will be gone.",
    )


def other_ports(ports: Ports) -> CannotStart:
    """The city was made for other addresses, under which its services are registered."""
    command = f"YITONG_DEMO_PORTS={','.join(str(getattr(ports, each.name)) for each in fields(ports))} "
    command += "make demo RESET=1"
    return CannotStart(
        f"端口与上次不同，已登记的地址不再适用。请用上次的端口，或重新开始（演示数据会清空）：{command}",
        "The ports differ from last time, so registered addresses no longer fit. Use the same ones, or start over "
        f"(what is in the city will be gone): {command}",
    )


def in_use(database: Path) -> CannotStart:
    """Another program is writing to the database and keeps its lock."""
    return CannotStart(
        f"演示数据库 {database} 正被别的程序占用。请等它结束（例如归并命令），再运行一次。",
        f"Another program holds the demonstration's database {database}. Wait for it to end (a merge?) and run again.",
    )
