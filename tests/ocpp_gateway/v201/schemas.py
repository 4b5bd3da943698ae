"""The published schemas of OCPP 2.0.1 answers and requests, formats included: what we send must fit them."""

import importlib.resources
import json
from functools import cache

import jsonschema_rs


@cache
def schema(name: str) -> jsonschema_rs.Validator:
    """`name` as in AuthorizeResponse, RequestStartTransactionRequest."""
    source = importlib.resources.files("ocpp.v201") / "schemas" / f"{name}.json"
    return jsonschema_rs.validator_for(json.loads(source.read_text()))
