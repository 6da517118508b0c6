"""The query of a list call, taken apart strictly.

Scope: limit, cursors, expand, filters and ranges. Anything that the list does not know is refused.
"""

import re
from bisect import bisect_left

from . import errors
from .catalog import Filter

RANGE = re.compile(r"([a-z_]+)\[(gt|gte|lt|lte)\]$")
ARRAY = re.compile(r"([a-z_]+)\[(\d*)\]$")
INTEGER = re.compile(r"-?\d{1,18}$")
DEFAULT_LIMIT = 10
MAX_LIMIT = 100
MAX_EXPAND_DEPTH = 4


class Query:
    """`values`: filters by name; `ranges`: {name: {operator: bound}}."""
    def __init__(self, pairs, filters):
        self.limit = DEFAULT_LIMIT
        self.starting_after = self.ending_before = None
        self.expand = []
        self.values = {}
        self.ranges = {}
        unknown = []
        for name, value in pairs:
            if not self._take(name, value, filters):
                unknown.append(name)
        if unknown:
            errors.unknown_params(unknown)
        if self.starting_after and self.ending_before:
            errors.exclusive("ending_before", "starting_after")

    def _take(self, name, value, filters):
        if name in ("starting_after", "ending_before"):
            setattr(self, name, _filled(name, value))
        elif name == "limit":
            self.limit = _limit(value)
        elif name in filters and filters[name].kind not in ("list", "range"):
            self.values[name] = convert(filters[name], _filled(name, value))
        elif name in filters and filters[name].kind == "range":
            self.ranges.setdefault(name, {})["eq"] = integer(name, value)
        else:
            return self._take_bracketed(name, value, filters)
        return True

    def _take_bracketed(self, name, value, filters):
        found = RANGE.match(name)
        if found and found[1] in filters and filters[found[1]].kind == "range":
            self.ranges.setdefault(found[1], {})[found[2]] = integer(name, value)
            return True
        found = ARRAY.match(name)
        if found and found[1] == "expand":
            if value.count(".") >= MAX_EXPAND_DEPTH:
                errors.refuse(400, "You cannot expand more than 4 levels of a property.", None,
                              "expand")
            self.expand.append(value)
            return True
        if found and found[1] in filters and filters[found[1]].kind == "list":
            self.values.setdefault(found[1], []).append(_filled(name, value))
            return True
        return False

    def cursor_name(self):
        return "starting_after" if self.starting_after else "ending_before"

    def low(self, order):
        """The first position that created[gt], created[gte] and created=.. allow."""
        bounds = self.ranges.get("created", {})
        low = 0
        if "gte" in bounds:
            low = bisect_left(order, (bounds["gte"],))
        if "gt" in bounds:
            low = max(low, bisect_left(order, (bounds["gt"] + 1,)))
        if "eq" in bounds:
            low = max(low, bisect_left(order, (bounds["eq"],)))
        return low

    def high(self, order):
        """The position behind the last that created[lt], created[lte] and created=.. allow."""
        bounds = self.ranges.get("created", {})
        high = len(order)
        if "lt" in bounds:
            high = bisect_left(order, (bounds["lt"],))
        for name in ("lte", "eq"):
            if name in bounds:
                high = min(high, bisect_left(order, (bounds[name] + 1,)))
        return high

    def tests(self, skip=()):
        """What an object's facts must fulfil, as functions; `created` and `skip` are left out."""
        found = []
        for name, wanted in self.values.items():
            if name in skip:
                continue
            if isinstance(wanted, list):
                found.append(
                    lambda facts, name=name, wanted=frozenset(wanted): facts.get(name) in wanted)
            else:
                found.append(
                    lambda facts, name=name, wanted=wanted: _equal(facts.get(name), wanted))
        for name, bounds in self.ranges.items():
            if name != "created":
                found.append(
                    lambda facts, name=name, bounds=bounds: _within(facts.get(name), bounds))
        return found


def _equal(value, wanted):
    return wanted in value if isinstance(value, list) else value == wanted


def _within(value, bounds):
    if value is None:
        return False
    tests = {
        "gt": value.__gt__, "gte": value.__ge__, "lt": value.__lt__, "lte": value.__le__, "eq":
        value.__eq__
    }
    return all(tests[operator](bound) for operator, bound in bounds.items())


def _filled(name, value):
    if value == "":
        errors.refuse(
            400,
            f"You passed an empty string for '{name}'. We assume empty values are an attempt to "
            f"unset a parameter; however '{name}' cannot be unset. You should remove '{name}' from "
            "your request or supply a non-empty value.", "parameter_invalid_empty", name)
    return value


def integer(name, value):
    if not INTEGER.match(value):
        errors.invalid_integer(name, value)
    return int(value)


def _limit(value):
    limit = integer("limit", value)
    if limit < 1:
        errors.refuse(400, "This value must be greater than or equal to 1.",
                      "parameter_invalid_integer", "limit")
    if limit > MAX_LIMIT:
        errors.refuse(400, "This value must be less than or equal to 100.",
                      "parameter_invalid_integer", "limit")
    return limit


def convert(one, value):
    """A filter's value in its kind."""
    if one.kind == "bool":
        if value not in ("true", "false"):
            errors.refuse(400, f"Invalid boolean: {value}", None, one.name)
        return value == "true"
    if one.kind == "int":
        return integer(one.name, value)
    if one.kind == "choice" and value not in one.choices:
        errors.refuse(
            400, f"Invalid {one.name}: must be one of {', '.join(one.choices[:-1])}, or "
            f"{one.choices[-1]}", None, one.name)
    return value


EVENT_FILTERS = {
    "created": Filter("created", "range", ("created",)),
    "type": Filter("type", "str", ("type",)),
    "types": Filter("types", "list", ("type",)),
    "delivery_success": Filter("delivery_success", "bool", ("delivery_success",)),
}
