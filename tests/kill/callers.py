"""One process of many callers that all want the same access token at the same moment, for several connections at once.

Each line of its input is a time; the process sets its clock to it and lets every caller ask at once. It answers
each line with how many callers got a token, and a hash of each different one, by connection.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from datetime import datetime

from ostiary.bootstrap import application
from ostiary.core.kernel.clock import MovableClock
from ostiary.core.kernel.reach import Duty, declare, instance_wide
from ostiary.logs import configure_logging
from ostiary.settings import load_settings


async def answer(callers: int, connection_ids: list[str]) -> None:
    clock: MovableClock | None = None
    for line in iter(sys.stdin.readline, ""):
        moment = datetime.fromisoformat(line.strip())
        if clock is None:
            # The first time opens everything and asks nothing.
            clock = MovableClock(moment)
            opened = application(load_settings(), clock=clock)
            services = await opened.__aenter__()
            print("ready", flush=True)
            continue
        clock.advance(moment - clock.now())
        asked = connection_ids * callers
        tokens = await asyncio.gather(*(services.connections.tokens.get(each) for each in asked))
        different: dict[str, set[str]] = {each: set() for each in connection_ids}
        for connection_id, token in zip(asked, tokens, strict=True):
            different[connection_id].add(hashlib.sha256(token.reveal().encode()).hexdigest())
        answers = {each: sorted(hashes) for each, hashes in different.items()}
        print(json.dumps({"answered": len(tokens), "different": answers}), flush=True)
    if clock is not None:
        await opened.__aexit__(None, None, None)


if __name__ == "__main__":
    configure_logging(level="WARNING", log_format="text")
    declare(instance_wide(Duty.WORKER))
    asyncio.run(answer(int(sys.argv[1]), sys.argv[2:]))
