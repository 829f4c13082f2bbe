"""Watches mailboxes for the subscriptions and posts what happens."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from m365_emulator.world.mailbox import Change, Mailbox

from .calls import call_for
from .certificates import read_certificate
from .changes import kind_for, matching_now
from .hosts import WINDOW, HostHealth, HostState
from .model import LIFECYCLE_EVENTS, Subscription
from .payload import change_notification, lifecycle_notification, validation_token
from .resource import compile_test

if TYPE_CHECKING:
    from m365_emulator.world.world import World

_log = logging.getLogger(__name__)
FIRST_TIMEOUT_SECONDS = 3
RETRY_TIMEOUT_SECONDS = 10
GIVE_UP_AFTER = timedelta(hours=4)
"""Source: Graph, receive change notifications through webhooks."""
# The service backs off up to minutes; here the pauses are shorter so that tests need not wait.
_PAUSES_SECONDS = (1, 2, 4, 8, 15, 30, 60)
_TICK_SECONDS = 0.5
_GATHER_SECONDS = 0.02
_SENT_KEPT = 1000
_BATCH = 100


@dataclass(slots=True)
class Post:
    """One notification on its way; `attempt` counts from 0, `due` is by the world's clock, `not_before` by ours."""

    url: str
    body: dict[str, Any]
    subscription: Subscription
    is_lifecycle: bool
    since: datetime
    due: datetime
    attempt: int = 0
    not_before: float = 0.0


def of(world: World) -> Notifier:
    """Return the world's notifier; it is left behind when the world is reset."""
    found = world.state.get("graph.notifier")
    if not isinstance(found, Notifier):
        found = world.state["graph.notifier"] = Notifier(world)
    found.wake()
    return found


class Notifier:
    """Holds the subscriptions and sends their notifications from the running loop."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._subscriptions: dict[str, Subscription] = {}
        self._stops: dict[str, Callable[[], None]] = {}
        self._queue: deque[Post] = deque()
        self._held: list[Post] = []
        self._hosts: dict[str, HostHealth] = defaultdict(HostHealth)
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._restored: list[Subscription] = []

    def all(self) -> list[Subscription]:
        """Return the subscriptions that have not expired."""
        self._expire()
        return list(self._subscriptions.values())

    def find(self, subscription_id: str) -> Subscription | None:
        """Return one subscription that has not expired, or None."""
        self._expire()
        return self._subscriptions.get(subscription_id.lower())

    def add(self, subscription: Subscription) -> None:
        """Begin to watch."""
        self._attach(subscription)
        subscription.matching = matching_now(subscription)
        self._start()

    def _attach(self, subscription: Subscription) -> None:
        subscription.test = compile_test(call_for(self._world, subscription), subscription.watched)
        if subscription.certificate_text is not None and subscription.certificate is None:
            subscription.certificate = read_certificate(subscription.certificate_text)
        mailbox = subscription.watched.target.mailbox
        self._subscriptions[subscription.id] = subscription
        self._stops[subscription.id] = mailbox.subscribe(
            lambda change: self._changed(subscription, mailbox, change)
        )

    def __getstate__(self) -> dict[str, Any]:
        """Keep the subscriptions in a snapshot; what is on its way is not kept."""
        return {"world": self._world, "subscriptions": list(self._subscriptions.values())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Notifier.__init__(self, state["world"])
        self._restored = state["subscriptions"]

    def wake(self) -> None:
        """Watch again what was restored from a snapshot, and go on sending."""
        restored, self._restored = self._restored, []
        for subscription in restored:
            self._attach(subscription)
        if self._subscriptions or self._queue:
            self._start()

    def remove(self, subscription_id: str) -> None:
        """Stop watching; nothing more is sent but what is already on its way."""
        self._subscriptions.pop(subscription_id, None)
        stop = self._stops.pop(subscription_id, None)
        if stop is not None:
            stop()

    def send_lifecycle(self, subscription_id: str, event: str) -> bool:
        """Send a lifecycle notification; False if there is no such subscription or it has no URL for them.

        Raises:
            ValueError: The event is none of reauthorizationRequired, subscriptionRemoved, missed.
        """
        if event not in LIFECYCLE_EVENTS:
            raise ValueError(f"'{event}' is no lifecycle event.")
        subscription = self.find(subscription_id)
        if subscription is None or subscription.lifecycle_url is None:
            return False
        if event == "subscriptionRemoved":
            self.remove(subscription_id)
        self._put(
            subscription.lifecycle_url,
            lifecycle_notification(subscription, event),
            subscription,
            is_lifecycle=True,
        )
        return True

    # -- from changes to posts ---------------------------------------------------------------------------------

    def _changed(self, subscription: Subscription, mailbox: Mailbox, change: Change) -> None:
        if subscription.expires_at <= self._world.clock.now():
            return
        kind = kind_for(subscription, mailbox, change)
        if kind is None:
            return
        body = change_notification(self._world, subscription, change, kind)
        self._put(subscription.notification_url, body, subscription, is_lifecycle=False)

    def _put(self, url: str, body: dict[str, Any], subscription: Subscription, *, is_lifecycle: bool) -> None:
        now = self._world.clock.now()
        post = Post(url, body, subscription, is_lifecycle, now, now)
        for one in self._with_faults(post):
            self._queue.append(one)
        self._start()

    def _with_faults(self, post: Post) -> list[Post]:
        tenant = post.subscription.token.tenant
        user = post.subscription.watched.target.user
        fault = self._world.faults.for_notification(
            post.subscription.resource, {tenant.id, *tenant.domains}, {user.oid, *user.addresses}
        )
        match fault.notification if fault is not None else None:
            case "drop":
                return []
            case "double":
                return [post, post]
            case "late":
                post.not_before = time.monotonic() + (fault.late_seconds if fault else 0)
                return [post]
            case "shuffle":
                self._held.append(post)
                return []
            case _:
                held, self._held = self._held, []
                return [post, *held]

    # -- sending -----------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Send what is due, unless that is being done already."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return  # Nobody serves yet; what is queued goes out once somebody does.
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._task = self._world.background.start(self._drain())

    @property
    def _is_current(self) -> bool:
        return self._world.state.get("graph.notifier") is self

    def _tick(self) -> None:
        self._timer = None
        if not self._is_current:
            return
        self._look_after()
        if any(self._is_due(post) for post in self._queue):
            self._start()
        else:
            self._set_timer()

    def _set_timer(self) -> None:
        """Look again in a moment, as the world's clock may be moved; a timer, unlike a task, holds nothing open."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._is_current and (self._subscriptions or self._queue):
            self._timer = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)

    async def _drain(self) -> None:
        # Notifications carry no cookies from one receiver to another.
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            sending: set[asyncio.Task[None]] = set()
            while self._is_current:
                # Changes of one moment travel in one post.
                await asyncio.sleep(_GATHER_SECONDS)
                self._look_after()
                for url, posts in self._take_due().items():
                    for at in range(0, len(posts), _BATCH):
                        part = self._send(session, url, posts[at : at + _BATCH])
                        sending.add(self._world.background.start(part))
                if not sending:
                    break
                _, sending = await asyncio.wait(
                    sending, timeout=_TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
            if sending:
                await asyncio.wait(sending)
        self._task = None
        self._set_timer()
        if any(self._is_due(post) for post in self._queue):
            self._start()

    def _is_due(self, post: Post) -> bool:
        return post.not_before <= time.monotonic() and post.due <= self._world.clock.now()

    def _take_due(self) -> dict[str, list[Post]]:
        now = self._world.clock.now()
        due: dict[str, list[Post]] = defaultdict(list)
        waiting: deque[Post] = deque()
        while self._queue:
            post = self._queue.popleft()
            if not self._is_due(post):
                waiting.append(post)
                continue
            match self._hosts[_host(post.url)].state_at(now):
                case HostState.DROP:
                    self._missed(post)
                case HostState.SLOW if post.attempt == 0 and post.due == post.since:
                    post.due = now + WINDOW
                    waiting.append(post)
                case _:
                    due[post.url].append(post)
        self._queue.extend(waiting)
        return due

    async def _send(self, session: aiohttp.ClientSession, url: str, posts: list[Post]) -> None:
        status = await self._post(session, url, posts)
        if 200 <= status < 300:
            return
        now, ticks = self._world.clock.now(), time.monotonic()
        for post in posts:
            if now - post.since > GIVE_UP_AFTER:
                self._missed(post)
                continue
            post.not_before = ticks + _PAUSES_SECONDS[min(post.attempt, len(_PAUSES_SECONDS) - 1)]
            post.attempt += 1
            self._queue.append(post)

    async def _post(self, session: aiohttp.ClientSession, url: str, posts: list[Post]) -> int:
        body: dict[str, Any] = {"value": [post.body for post in posts]}
        tokens = {
            (one.subscription.token.app_id, one.subscription.token.tenant.id)
            for one in posts
            if one.subscription.include_data
        }
        if tokens:
            body["validationTokens"] = [
                validation_token(self._world, app, tenant) for app, tenant in sorted(tokens)
            ]
        seconds = RETRY_TIMEOUT_SECONDS if posts[0].attempt else FIRST_TIMEOUT_SECONDS
        started = time.monotonic()
        status = 0
        try:
            async with session.post(
                url,
                data=orjson.dumps(body),
                headers={"Content-Type": "application/json; charset=utf-8"},
                timeout=aiohttp.ClientTimeout(total=seconds),
                # Receivers under test have self-made certificates.
                ssl=False,
                allow_redirects=False,
            ) as answer:
                status = answer.status
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            _log.info("notification not delivered: %s", type(error).__name__)
        self._hosts[_host(url)].record(self._world.clock.now(), time.monotonic() - started)
        self._remember(url, status, posts)
        return status

    def _remember(self, url: str, status: int, posts: list[Post]) -> None:
        sent = self._world.state.setdefault("sent_notifications", deque(maxlen=_SENT_KEPT))
        kinds = ", ".join(
            f"{post.body.get('changeType') or post.body.get('lifecycleEvent')} {post.body['resource']}"
            for post in posts
        )
        sent.append(
            {
                "at": self._world.clock.now().isoformat(timespec="milliseconds"),
                "url": url.partition("?")[0],
                "status": status,
                "summary": f"Graph: {kinds}"[:2000],
            }
        )

    # -- looking after subscriptions ---------------------------------------------------------------------------

    def _missed(self, post: Post) -> None:
        subscription = post.subscription
        if not post.is_lifecycle and subscription.lifecycle_url and subscription.id in self._subscriptions:
            self._put(
                subscription.lifecycle_url,
                lifecycle_notification(subscription, "missed"),
                subscription,
                is_lifecycle=True,
            )

    def _expire(self) -> None:
        now = self._world.clock.now()
        for subscription in list(self._subscriptions.values()):
            if subscription.expires_at <= now:
                self.remove(subscription.id)

    def _look_after(self) -> None:
        """Expire what has run out, tell of removal and of renewal that is due."""
        self._expire()
        now = self._world.clock.now()
        for subscription in list(self._subscriptions.values()):
            user = subscription.watched.target.user
            if self._world.mailbox_of(user) is not subscription.watched.target.mailbox:
                self.send_lifecycle(subscription.id, "subscriptionRemoved")
                self.remove(subscription.id)
                continue
            left = subscription.expires_at - now
            early = min(timedelta(hours=24), (subscription.expires_at - subscription.created_at) / 4)
            if left < early and not subscription.asked_to_reauthorize and subscription.lifecycle_url:
                subscription.asked_to_reauthorize = True
                self.send_lifecycle(subscription.id, "reauthorizationRequired")


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower()
