"""How often somebody may try something. Counted in the cache: of all processes with Redis, else of this one."""

from django.core.cache import cache


def may_try(what: str, who: str, *, most: int, seconds: int) -> bool:
    """Count a try of `what` by `who`; False from the one after the `most`th within `seconds` of the first."""
    key = f"throttle:{what}:{who}"
    if cache.add(key, 1, seconds):
        return most >= 1
    try:
        return cache.incr(key) <= most
    except ValueError:
        # It ran out between the two.
        cache.add(key, 1, seconds)
        return most >= 1
