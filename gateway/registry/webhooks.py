"""Webhooks: every change is posted to those who subscribed, signed as standardwebhooks.com says.

A receiver is told one change after the other, in their order, each at least once: what it does not answer
with 2xx is sent again, ever more seldom, and given up after ``[webhooks] attempts``; it may be sent again on
demand. Each subscription is a task of its own, so that none waits for another's receiver.
"""

import asyncio
import dataclasses
import datetime
import ipaddress
import json
import logging
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import aiohttp.abc
import standardwebhooks
import yarl
from oslo_config import cfg

from gateway import metrics
from gateway.registry import guard
from gateway.registry.changes import Feed
from gateway.registry.model import Entry, Instance
from gateway.registry.subscriptions import Delivery, State, Subscription, SubscriptionStore

LOG = logging.getLogger(__name__)

_LOOK_EVERY = 0.25  # seconds
_RETRY_AFTER = 1.0  # seconds, when the database cannot be asked
_AT_ONCE = 100  # changes read in one go
_MOST_READ = 1024  # bytes of an answer

#: What a change looks like to users, as JSON can say it.
View = Callable[[Entry, Instance | None], dict[str, Any]]


def message(entry: Entry, view: dict[str, Any]) -> str:
    """The body, as Standard Webhooks has it: {"type", "timestamp", "data"}."""
    return json.dumps({"type": f"instance.{entry.change}", "timestamp": view["at"], "data": view})


def headers(subscription: Subscription, index: int, body: str, now: float) -> dict[str, str]:
    """``webhook-id`` is the same each time that a change is sent."""
    id = f"{subscription.id}.{index}"
    at = datetime.datetime.fromtimestamp(now, datetime.UTC)
    return {
        "Content-Type": "application/json",
        "User-Agent": "gateway",
        "webhook-id": id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": standardwebhooks.Webhook(subscription.secret).sign(id, at, body),
    }


def pause(attempts: int, first: float, most: float, draw: float) -> float:
    """Seconds until the next attempt: twice as long each time, and by ``draw`` (0 to 1) up to half of it
    less, so that those who failed together do not come back together."""
    return min(most, first * 2.0 ** min(attempts - 1, 32)) * (1 - draw / 2)


class Webhooks:
    """``run`` blocks its thread."""

    def __init__(self, conf: cfg.ConfigOpts, store: SubscriptionStore, feed: Feed, view: View):
        self._conf = conf
        self._store = store
        self._feed = feed
        self._view = view

    def run(self, stop: threading.Event) -> None:
        """Until ``stop`` is set, and about a second longer."""
        asyncio.run(_Round(self._conf, self._store, self._feed, self._view).run(stop))


class _Resolver(aiohttp.abc.AbstractResolver):
    """Names become the one address that was judged, which is then connected to."""

    def __init__(self, guarded: guard.Guard):
        self._guard = guarded

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[dict]:
        address = await guard.resolved(host)
        _refuse_blocked(self._guard, address)
        return [
            {
                "hostname": host,
                "host": str(address),
                "port": port,
                "family": socket.AF_INET if address.version == 4 else socket.AF_INET6,
                "proto": socket.IPPROTO_TCP,
                "flags": socket.AI_NUMERICHOST,
            }
        ]

    async def close(self) -> None:
        pass


def _refuse_blocked(guarded: guard.Guard, address: guard.Address) -> None:
    if (network := guarded.blocking(address)) is not None:
        raise guard.Refused(f"{address} is in {network} of [registry] blocked_networks")


class _Round:
    """What one ``run`` has under way."""

    def __init__(self, conf: cfg.ConfigOpts, store: SubscriptionStore, feed: Feed, view: View):
        self._conf = conf.webhooks
        self._guard = guard.Guard(conf)
        self._store = store
        self._feed = feed
        self._view = view
        self._tasks: dict[str, asyncio.Task] = {}
        self._pending: set[str] = set()
        self._commits = store.commits()
        self._news = asyncio.Event()  # set once, and then another one
        self._telling: dict[str, float] = {}  # by subscription: of when the change is

    async def run(self, stop: threading.Event) -> None:
        connector = aiohttp.TCPConnector(resolver=_Resolver(self._guard), force_close=True, limit=0)
        timeout = aiohttp.ClientTimeout(total=self._conf.timeout)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as self._http:
            while not stop.is_set():
                try:
                    await self._look()
                except Exception:
                    LOG.exception("The webhooks go on after an error")
                    await asyncio.sleep(_RETRY_AFTER)
                await asyncio.sleep(_LOOK_EVERY)
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _look(self) -> None:
        """For changes, for what is to be sent again, and for subscriptions that came and went."""
        with self._commits.looking() as is_new:
            if is_new:
                await self._read()
        metrics.WEBHOOK_BEHIND.set(time.time() - min(self._telling.values(), default=time.time()))
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _read(self) -> None:
        await asyncio.to_thread(self._feed.refresh)
        self._pending = await asyncio.to_thread(self._store.pending)
        known = {each.id: each for each in await asyncio.to_thread(self._store.everything)}
        for gone in self._tasks.keys() - known.keys():
            self._tasks.pop(gone).cancel()
        for id in known.keys() - self._tasks.keys():
            self._tasks[id] = asyncio.create_task(self._serve(known[id]))

    async def _serve(self, subscription: Subscription) -> None:
        """Tells one receiver everything, for ever."""
        while True:
            news = self._news
            try:
                if subscription.id in self._pending:
                    await self._send_again(subscription)
                subscription = await self._send_new(subscription)
            except Exception:
                LOG.exception("The webhook %s goes on after an error", subscription.id)
                await asyncio.sleep(_RETRY_AFTER)
            await news.wait()

    async def _send_new(self, subscription: Subscription) -> Subscription:
        """What came after the subscription's index; returns it with the one that it is at then."""
        interest = (subscription.project_id, subscription.type)
        index = max(subscription.index, await asyncio.to_thread(self._feed.oldest))
        if index > subscription.index:
            LOG.warning("Webhook %s: the changes up to %d are no longer kept", subscription.id, index)
        page = await asyncio.to_thread(self._feed.after, interest, index, _AT_ONCE)
        for entry, instance in page.changes:
            self._telling[subscription.id] = entry.at
            try:
                await self._tell(subscription, entry.index, message(entry, self._view(entry, instance)))
            finally:
                del self._telling[subscription.id]
            metrics.CHANGE_LAG.observe(max(0.0, time.time() - entry.at), "webhooks")
            subscription = dataclasses.replace(subscription, index=entry.index, attempts=0)
        if page.index - subscription.index > _AT_ONCE:  # others' changes, which need not be read again
            await asyncio.to_thread(self._store.told, subscription.id, page.index)
        return dataclasses.replace(subscription, index=page.index)

    async def _tell(self, subscription: Subscription, index: int, body: str) -> None:
        """Returns once it was taken, or given up."""
        id, attempts = subscription.id, subscription.attempts
        while (error := await self._post(subscription, index, body)) is not None:
            attempts += 1
            if attempts >= self._conf.attempts:
                delivery = Delivery(id, index, body, State.DEAD, attempts, error, time.time())
                LOG.warning("Webhook %s: change %d is given up: %s", id, index, error)
                metrics.WEBHOOK_DELIVERIES.inc("given_up")
                await asyncio.to_thread(self._store.bury, delivery)
                return
            await asyncio.to_thread(self._store.failed, id, attempts, error)
            await self._pause(attempts)
        await asyncio.to_thread(self._store.told, id, index)

    async def _send_again(self, subscription: Subscription) -> None:
        for delivery in await asyncio.to_thread(self._store.deliveries, subscription.id, State.PENDING):
            while (error := await self._post(subscription, delivery.index, delivery.body)) is not None:
                attempts = delivery.attempts + 1
                state = State.DEAD if attempts >= self._conf.attempts else State.PENDING
                delivery = dataclasses.replace(delivery, state=state, attempts=attempts, error=error)
                await asyncio.to_thread(self._store.rewrite, delivery)
                if state is State.DEAD:
                    metrics.WEBHOOK_DELIVERIES.inc("given_up")
                    break
                await self._pause(attempts)
            else:
                await asyncio.to_thread(self._store.delivered, delivery)

    async def _pause(self, attempts: int) -> None:
        draw = random.random()  # noqa: S311 (spreads load, guards nothing)
        await asyncio.sleep(pause(attempts, self._conf.retry_interval, self._conf.max_retry_interval, draw))

    async def _post(self, subscription: Subscription, index: int, body: str) -> str | None:
        """None once it is taken, else what went wrong."""
        error = await self._posted(subscription, index, body)
        metrics.WEBHOOK_DELIVERIES.inc("ok" if error is None else "failed")
        return error

    async def _posted(self, subscription: Subscription, index: int, body: str) -> str | None:
        """Nothing is followed, and little is read."""
        url = yarl.URL(subscription.url)
        try:
            self._check_literal(url.host)
            sent = headers(subscription, index, body, time.time())
            async with self._http.post(url, data=body, headers=sent, allow_redirects=False) as answer:
                await answer.content.read(_MOST_READ)
                return None if 200 <= answer.status < 300 else f"answered {answer.status}"
        except TimeoutError:
            return f"no answer within {self._conf.timeout:g} s"
        except (aiohttp.ClientError, guard.Refused, OSError, ValueError) as error:
            return str(error)[:500] or type(error).__name__

    def _check_literal(self, host: str) -> None:
        """An address in a URL is connected to as it is, without the resolver."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return
        _refuse_blocked(self._guard, getattr(address, "ipv4_mapped", None) or address)
