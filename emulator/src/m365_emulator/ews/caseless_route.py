"""Routes whose paths are matched without regard to case, as IIS does."""

from __future__ import annotations

import re
from typing import Any

from starlette.routing import Route


class CaselessRoute(Route):
    """A Starlette route that takes its path in any case."""

    def __init__(self, path: str, endpoint: Any, **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.path_regex = re.compile(self.path_regex.pattern, re.IGNORECASE)
