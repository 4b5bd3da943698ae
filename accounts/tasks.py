"""Background work of the accounts app."""

from accounts.services.api_writes import forget_old_writes


def sweep_api_writes() -> int:
    return forget_old_writes()


SCHEDULES = [("API: forget old answers", "accounts.tasks.sweep_api_writes", 24 * 60)]
