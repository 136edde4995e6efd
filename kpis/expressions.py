"""What an expression of a tenant's own definition may say: columns of its view, functions of values, literals.

It is part of a statement that the engine runs over one tenant's rows. So nothing in it may read anything else (no
sub-query, no table, no dictionary, no file, no address), wait, or give another answer tomorrow: a bucket recomputed
must equal one computed once. What is not known to be harmless is refused: functions are those of a list. That the
engine can compute it at all is for `kpis.checking` to try.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.|'')*')|(?P<param>\{\s*\w+\s*:[^{}]*\})|(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<arrow>->)|(?P<sign>[-+*/%()\[\],<>=!.:?|]))"
)
_WORDS = re.compile(
    r"and|or|not|in|is|null|like|ilike|between|case|when|then|else|end|true|false|div|mod|interval|nan|inf"
    r"|second|minute|hour|day|week|month|quarter|year"
)
_OR = r"(?:OrNull|OrZero|OrDefault)?"
_FUNCTIONS = re.compile(
    r"if|multiIf|ifNull|nullIf|coalesce|assumeNotNull|isNull|isNotNull|transform"
    r"|abs|sign|round|floor|ceil|trunc|sqrt|exp|log|log2|log10|pow|least|greatest|intDiv|intDivOrZero|modulo"
    r"|plus|minus|multiply|divide|negate|equals|notEquals|less|greater|lessOrEquals|greaterOrEquals|xor|and|or|not"
    r"|like|ilike|notLike|match|multiSearchAny|position|positionUTF8|startsWith|endsWith|empty|notEmpty"
    r"|length|lengthUTF8|lower|upper|lowerUTF8|upperUTF8|trimBoth|trimLeft|trimRight|concat|substring|substringUTF8|left"
    r"|right|replaceOne|replaceAll|replaceRegexpOne|replaceRegexpAll|extract|splitByChar|splitByString"
    r"|tuple|tupleElement|array|has|hasAny|hasAll|indexOf"
    r"|array(?:Exists|All|Count|Filter|Map|Sum|Min|Max|Avg|Element|First|Last|Distinct|Sort)"
    r"|dateDiff|age|toTimeZone|formatDateTime|fromUnixTimestamp(?:64(?:Milli|Micro|Nano))?|toUnixTimestamp"
    r"|toUnixTimestamp64(?:Milli|Micro|Nano)|toStartOf(?:Minute|Hour|Day|Week|Month|Quarter|Year|Interval)|toMonday"
    r"|to(?:Year|Quarter|Month|Week|ISOWeek|DayOfWeek|DayOfMonth|DayOfYear|Hour|Minute|Second|YYYYMM|YYYYMMDD)"
    r"|(?:add|subtract)(?:Seconds|Minutes|Hours|Days|Weeks|Months|Quarters|Years)"
    r"|toInterval(?:Second|Minute|Hour|Day|Week|Month|Quarter|Year)|parseDateTime64BestEffort"
    + _OR
    + r"|to(?:Date|Date32|DateTime|DateTime64|String|Bool|Decimal(?:32|64|128)|Float(?:32|64)|U?Int(?:8|16|32|64))"
    + _OR
)
"""Functions of values that give the same answer whenever they are asked."""
_SET_BEGINS = ("(", "[", "tuple", "array")
LONGEST = 4_000


def refusal(expression: str, columns: Collection[str], parameters: Mapping[str, float]) -> str:
    """Why the expression may not be used; '' when it may."""
    if len(expression) > LONGEST:
        return f"an expression has at most {LONGEST} characters, got {len(expression)}"
    tokens, at = [], 0
    while at < len(expression.rstrip()):
        found = _TOKEN.match(expression, at)
        if found is None or found[0].strip() + expression[found.end() : found.end() + 1] in ("--", "/*", "*/"):
            return (
                f"{expression[at:].strip()[:20]!r} is no part of an expression: no comments, no quoted names, one line"
            )
        tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
        at = found.end()
    bound = _bound(tokens)
    for place, (kind, text) in enumerate(tokens):
        after = tokens[place + 1] if place + 1 < len(tokens) else ("", "")
        if kind == "param" and (why := _parameter(text, parameters)):
            return why
        if kind != "name":
            continue
        if text.lower() == "in" and after[1] not in _SET_BEGINS:
            return "IN is followed by a list in brackets"
        if _WORDS.fullmatch(text.lower()) or text in bound:
            continue
        if after[1] == "(" and after[0] == "sign":
            if not _FUNCTIONS.fullmatch(text):
                return f"{text}() is none of the functions that may be used; docs/kpi-overrides.md names them"
        elif text not in columns:
            close = difflib.get_close_matches(text, columns, 1)
            return f"{text!r} is no column of the view" + (f"; did you mean {close[0]}?" if close else "")
    return ""


def _bound(tokens: list[tuple[str, str]]) -> set[str]:
    """Names of the arguments of lambdas: `x -> …` and `(x, y) -> …`."""
    names: set[str] = set()
    for place, (kind, _) in enumerate(tokens):
        if kind != "arrow":
            continue
        back = place - 1
        if back >= 0 and tokens[back][1] == ")":
            while back >= 0 and tokens[back][1] != "(":
                names.update(text for kind_, text in [tokens[back]] if kind_ == "name")
                back -= 1
        elif back >= 0 and tokens[back][0] == "name":
            names.add(tokens[back][1])
    return names


def _parameter(text: str, parameters: Mapping[str, float]) -> str:
    name, _, kind = (part.strip() for part in text.strip("{}").partition(":"))
    if name == "tz":
        return "" if kind == "String" else "{tz:String} is the time zone"
    if name not in parameters:
        return f"{text} is no parameter: there are {{tz:String}} and {', '.join(parameters) or 'no others'}"
    return "" if kind == "Float64" else f"{text}: a parameter is a number, {{{name}:Float64}}"
