"""Pricing, pure: frozen values in and out, no Django, no clock, no queries. The rules in prose: docs/pricing.md.

spec         what a tariff says (TariffSpec) and what a session is made of (Period)
extensions   what a tariff says beyond OCPI; extensions_json reads and writes it
ocpi         OCPI Tariff JSON <-> TariffSpec, its canonical text and digest
exchange     whole OCPI Tariff objects of either version, with what does not price
ocpi_cdr     OCPI CDR JSON -> periods
timeline     meter samples and states of a running or ended session -> periods
assumed      the periods of a session nobody has had yet, for quotes
rating       compile_tariff / compile_document once per tariff and zone, then rate(tariff, periods) -> RatedSession
phase        the one walk over a session's periods: quantities per decision
named        free start, idle rules, tiers and spot laid over what the elements decide; spot: prices from a series
frozen       what of that is frozen with a session; price_file: prices as they come in
bill         quantities -> cost lines; fees: idle cap, connection and service fee
retail       a tariff made of another one and a mark-up
result       CostLine, RatedSession and payable(): where a price becomes an amount of money
explain      a RatedSession as plain JSON values
limits       tax on an amount; lowest and highest price
compiled     a tariff made ready: thresholds, decisions, reasons
calendar     local hours, dates and weekdays as UTC moments, through clock changes
lint         checks before publishing (findings, lint_values, lint_places); coverage: gaps and overlaps, exactly
gaps         where nothing prices a dimension, in words that can be translated
diff         what changed between two tariffs, in words
words        a restriction in words
reading      read untrusted JSON and collect every defect; jsontext: JSON without floats
resolution   which tariff assignment wins

A live cost is `rate` on the periods so far; the final cost is the same call on all of them.
"""
