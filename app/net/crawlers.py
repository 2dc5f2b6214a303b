"""Known crawlers: the maintained list of agents that never are a person.

Owns the one question put to that list, and remembers its answers: a few agents make most requests.
Must not judge an open or a click: the list also names image proxies and misses scanners that say they are browsers.
"""

from functools import lru_cache

import crawleruseragents  # type: ignore[import-untyped]


@lru_cache(maxsize=10_000)
def is_crawler(agent: str) -> bool:
    """Whether the list of `crawler-user-agents` (1,500 patterns, from its package) matches this User-Agent."""
    return bool(crawleruseragents.is_crawler(agent))
