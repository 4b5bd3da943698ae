"""Text can be read: WCAG 2.2 AA contrast of the colours that meet, in light and in dark."""

import re
from pathlib import Path

import pytest
from django.conf import settings

_TOKENS = (Path(settings.BASE_DIR) / "static/css/tokens.css").read_text()
_LIGHT, _DARK = _TOKENS.split("@media (prefers-color-scheme: dark)")

TEXT = 4.5
SHAPES = 3.0


def _colours(source: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): #([0-9a-f]{6});", source))


THEMES = {"light": _colours(_LIGHT), "dark": _colours(_LIGHT) | _colours(_DARK)}


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance of an sRGB colour."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    ("front", "grounds", "least"),
    [
        ("ink", ("paper", "surface", "surface-sunken", "accent-soft", "warn-soft", "bad-soft"), TEXT),
        ("ink-soft", ("paper", "surface", "surface-sunken"), TEXT),
        ("accent", ("paper", "surface", "accent-soft", "warn-soft", "bad-soft"), TEXT),
        ("accent-strong", ("accent-soft", "surface"), TEXT),
        ("on-accent", ("accent", "accent-strong"), TEXT),
        ("warn", ("warn-soft",), TEXT),
        ("bad", ("bad-soft", "surface", "paper"), TEXT),
        ("line-strong", ("surface", "paper"), SHAPES),
        ("focus", ("surface", "paper"), SHAPES),
    ],
)
def test_colours_that_meet_can_be_told_apart(theme: str, front: str, grounds: tuple[str, ...], least: float) -> None:
    colours = THEMES[theme]
    for ground in grounds:
        assert _contrast(colours[front], colours[ground]) >= least, ground
