"""Checks of a tariff before it is published. Errors block; each warning has to be accepted by name.

Pure: what the tariff is assigned to arrives as a LintContext (tariffs.selectors.lint builds it). The codes are stable
and listed in docs/pricing.md. lint_values looks at single numbers, lint_places at where the tariff applies; here is how
the elements act together (coverage decides that exactly).
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from tariffs.domain.coverage import Coverage, Space, TooLarge
from tariffs.domain.extensions import TierPeriod
from tariffs.domain.findings import ERROR, WARNING, Finding, Severity, gettext_noop, listed
from tariffs.domain.lint_places import LintContext, place_findings
from tariffs.domain.lint_values import value_findings
from tariffs.domain.spec import Dimension, ReservationRestriction, TariffSpec

__all__ = ["Finding", "LintContext", "lint"]

MOST_ELEMENTS = 500
_KINDS: tuple[ReservationRestriction | None, ...] = (None, *ReservationRestriction)


def lint(spec: TariffSpec, context: LintContext | None = None) -> list[Finding]:
    """Everything doubtful about `spec` where and when `context` says it applies, in the order of the document.

    Work is bounded: a tariff too large to be decided is one finding (`too_large`) beside those of the other checks.
    """
    context = context or LintContext()
    findings = [*value_findings(spec, context.on), *place_findings(spec, context)]
    if len(spec.elements) > MOST_ELEMENTS:
        findings.append(_too_large(ERROR))
    else:
        try:
            findings.extend(_coverage_findings(spec, context))
        except TooLarge:
            findings.append(_too_large(WARNING))
    return sorted({finding.key: finding for finding in findings}.values(), key=_place)


def _coverage_findings(spec: TariffSpec, context: LintContext) -> Iterator[Finding]:
    dead: dict[int, int] = {}
    components: list[Finding] = []
    for kind in _KINDS:
        if kind is not None and all(element.restrictions.reservation is not kind for element in spec.elements):
            continue
        space = Space(spec.elements, kind=kind, today=context.on)
        for dimension in Dimension:
            if kind is not None and dimension not in (Dimension.FLAT, Dimension.TIME):
                continue
            from_kwh, gaps = _left_to_elements(spec, dimension) if kind is None else (Decimal(0), False)
            if from_kwh is None:
                continue
            coverage = space.coverage(dimension, from_kwh=from_kwh, with_gaps=gaps)
            components += _component_findings(spec, dimension, coverage)
            for number in (*coverage.never, *(number for number, _by in coverage.covered)):
                dead[number] = dead.get(number, 0) + 1
    lost = {number for number, count in dead.items() if count == len(spec.elements[number].components)}
    for finding in components:
        if _element_number(finding.path) not in lost or finding.code not in ("never_matches", "unreachable_component"):
            yield finding
    for number in sorted(lost):
        reasons = [finding for finding in components if _element_number(finding.path) == number]
        if all(finding.code == "never_matches" for finding in reasons):
            yield Finding(
                "never_matches", ERROR, f"tariff.elements[{number}].restrictions",
                gettext_noop("Nothing can meet these restrictions any more. Correct them or remove the element."),
            )  # fmt: skip
        else:
            yield Finding(
                "unreachable_element", ERROR, f"tariff.elements[{number}]",
                gettext_noop(
                    "This element never decides: elements before it (%(by)s) always do. Move it up or remove it."
                ),
                {"by": listed(sorted({finding.values["by"] for finding in reasons if "by" in finding.values}))},
            )  # fmt: skip


def _left_to_elements(spec: TariffSpec, dimension: Dimension) -> tuple[Decimal | None, bool]:
    """From which energy on the elements price `dimension`, and whether nothing else prices what they leave out.

    Beside a market price the elements are what a partner is sent; nothing here is priced by them: None.
    """
    named = spec.extensions
    if dimension is not Dimension.ENERGY or named is None:
        return Decimal(0), True
    if named.spot is not None:
        return None, False
    tiers = named.energy_tiers
    if tiers is None:
        return Decimal(0), True
    end = tiers.tiers[-1].up_to_kwh if tiers.tiers else Decimal(0)
    if end is None:
        return None, False
    return (Decimal(0), True) if tiers.per is TierPeriod.MONTH else (end, True)


def _component_findings(spec: TariffSpec, dimension: Dimension, coverage: Coverage) -> Iterator[Finding]:
    for number in coverage.never:
        yield Finding(
            "never_matches", WARNING, _component_path(spec, number, dimension),
            gettext_noop("%(dimension)s can never be priced here: nothing meets the restrictions. Remove it."),
            {"dimension": dimension.value},
        )  # fmt: skip
    for number, by in coverage.covered:
        yield Finding(
            "unreachable_component", WARNING, _component_path(spec, number, dimension),
            gettext_noop(
                "%(dimension)s is never priced here: elements before this one (%(by)s) always decide. Move it up or "
                "remove it."
            ),
            {"dimension": dimension.value, "by": _names(by)},
        )  # fmt: skip
    meetings: dict[int, list[int]] = {}
    for first, later in coverage.meetings:
        if spec.elements[first].component(dimension) != spec.elements[later].component(dimension):
            meetings.setdefault(later, []).append(first)
    for later, firsts in meetings.items():
        yield Finding(
            "overlap", WARNING, _component_path(spec, later, dimension),
            gettext_noop(
                "%(dimension)s is priced here and by %(by)s at the same moments; there this one never decides. "
                "Change the restrictions so that they no longer overlap."
            ),
            {"dimension": dimension.value, "by": _names(firsts)},
        )  # fmt: skip
    if coverage.gap is not None:
        sentence = gettext_noop(
            "%(dimension)s has no price at some moments within: %(where)s. It is free there. Add a price if it should "
            "not be."
        )
        if coverage.is_exact:
            sentence = gettext_noop(
                "%(dimension)s has no price: %(where)s. It is free there. Add a price if it should not be."
            )
        yield Finding(
            "gap", WARNING, "tariff.elements", sentence,
            {"dimension": dimension.value}, coverage.gap,
        )  # fmt: skip


def _component_path(spec: TariffSpec, number: int, dimension: Dimension) -> str:
    components = spec.elements[number].components
    index = next(index for index, component in enumerate(components) if component.dimension is dimension)
    return f"tariff.elements[{number}].price_components[{index}]"


def _names(numbers: Sequence[int]) -> str:
    return listed([f"elements[{number}]" for number in numbers])


def _element_number(path: str) -> int | None:
    number = path.partition("[")[2].partition("]")[0]
    return int(number) if number.isdecimal() else None


def _place(finding: Finding) -> tuple[int, str]:
    number = _element_number(finding.path)
    return (-1 if number is None else number, finding.path)


def _too_large(severity: Severity) -> Finding:
    return Finding(
        "too_large", severity, "tariff.elements",
        gettext_noop(
            "This tariff combines too many different limits to be checked for gaps and overlaps. Use fewer elements."
        ),
    )  # fmt: skip
