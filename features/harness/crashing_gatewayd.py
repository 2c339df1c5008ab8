"""gatewayd, made to kill itself with all its processes at one chosen moment: run it in gatewayd's place.

The file that $GATEWAY_CRASH_AT names says when, as JSON: {"step": "boot", "target": 0, "moment": "call 1"}.
It is read when a step begins and removed by the one who kills, so that the next start goes on. Steps are
those of gateway.deploy.steps; "undo boot" is the revert of one; "finish drain" and "finish remove" are done
once nothing is taken back any more, and "undeploy everything", "restore all", "close port" and "delete
trusts" by the engine, too (target null). Moments:

    begin       as the step begins
    call N      the step's Nth call that changes something, to OpenStack or over SSH, has been carried out
                (over SSH: has been sent), and nothing more
    commit N    its Nth change of the gateway's own database is on disk, and nothing more
    after       the step is done, and TaskFlow or the engine has not been told yet
"""

import contextlib
import contextvars
import dataclasses
import functools
import json
import os
import pathlib
import signal
import sys
import threading

import paramiko
import requests

from gateway import daemon
from gateway.db import Database, Together
from gateway.deploy import engine, rollout, steps, undeploy, work

_FILE = pathlib.Path(os.environ["GATEWAY_CRASH_AT"])
_CHANGING = ("POST", "PUT", "PATCH", "DELETE")


@dataclasses.dataclass
class _Watched:
    """One run of the step; its commands run in threads of their own."""

    moment: str
    calls: int = 0
    commits: int = 0

    def called(self) -> None:
        self.calls += 1
        self.reached(f"call {self.calls}")

    def committed(self) -> None:
        self.commits += 1
        self.reached(f"commit {self.commits}")

    def reached(self, moment: str) -> None:
        if moment == self.moment:
            with contextlib.suppress(FileNotFoundError):
                _FILE.unlink()
                os.killpg(os.getpgrp(), signal.SIGKILL)


_watched: contextvars.ContextVar[_Watched | None] = contextvars.ContextVar("watched", default=None)


def _wanted(step: str, target: int | None) -> _Watched | None:
    try:
        wanted = json.loads(_FILE.read_text())
    except FileNotFoundError:
        return None
    is_it = (wanted["step"], wanted["target"]) == (step, target)
    return _Watched(wanted["moment"]) if is_it else None


def _watch(step: str, target: int | None, do, *args, **more):
    found = _wanted(step, target)
    token = _watched.set(found or _watched.get())  # a step may be a part of another
    try:
        if found:
            found.reached("begin")
        result = do(*args, **more)
        if found:
            found.reached("after")
        return result
    finally:
        _watched.reset(token)


def _step(name: str, do):
    """``do`` of a task: (task, work, number, …)"""
    return lambda task, work, number, **more: _watch(name, number, do, task, work, number, **more)


def _whole(name: str, do):
    return lambda *args: _watch(name, None, do, *args)


def _wrap_steps() -> None:
    for task in steps.DeployTask.__subclasses__():
        task.do = _step(task.step, task.do)
        if "undo" in vars(task):
            task.undo = _step(f"undo {task.step}", task.undo)
    do = engine._Progress.do

    def watched(progress, name, number, what):
        return do(progress, name, number, functools.partial(_watch, f"finish {name}", number, what))

    engine._Progress.do = watched
    undeploy.everything = _whole("undeploy everything", undeploy.everything)
    rollout.restore_all = _whole("restore all", rollout.restore_all)
    rollout.close_port = _whole("close port", rollout.close_port)
    work.Work.delete_retired_trusts = _whole("delete trusts", work.Work.delete_retired_trusts)


def _wrap_calls() -> None:
    send, execute, begin = requests.Session.send, paramiko.Channel.exec_command, threading.Thread.start
    write, write_together = Database.write, Together.write

    def sent(session, request, **more):
        answer = send(session, request, **more)
        if request.method in _CHANGING and not request.path_url.endswith("/auth/tokens"):
            _tell("called")
        return answer

    def executed(channel, command):
        execute(channel, command)
        _tell("called")

    def begun(thread):
        context, run = contextvars.copy_context(), thread.run
        thread.run = lambda: context.run(run)
        begin(thread)

    @contextlib.contextmanager
    def written(database):
        with write(database) as connection:
            yield connection
        _tell("committed")

    def written_together(together, item):
        token = _watched.set(None)  # who writes may do so for others, too
        try:
            result = write_together(together, item)
        finally:
            _watched.reset(token)
        _tell("committed")
        return result

    requests.Session.send, paramiko.Channel.exec_command = sent, executed
    threading.Thread.start = begun
    Database.write, Together.write = written, written_together


def _tell(what: str) -> None:
    if found := _watched.get():
        getattr(found, what)()


if __name__ == "__main__":
    _wrap_steps()
    _wrap_calls()
    sys.exit(daemon.main())
