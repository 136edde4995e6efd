"""What an expression of a tenant's own definition may say: columns of its view, functions of values, literals.

It is part of a statement that the engine runs over one tenant's rows. So nothing in it may read anything else (no
sub-query, no table, no dictionary, no file, no address), wait, or give another answer tomorrow: a bucket recomputed
must equal one computed once. What is not known to be harmless is refused. That the engine can compute it at all is for
`kpis.checking` to try.
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
_NO_FUNCTION = re.compile(
    r"select|from|with|exists|any|all|union"
    r"|dict\w*|join\w*|file\w*|url\w*|s3\w*|gcs|hdfs\w*|azure\w*|remote\w*|cluster\w*|merge\w*|view\w*|loop|values"
    r"|numbers\w*|zeros\w*|generate\w*|input|executable|odbc|jdbc|mysql|postgresql|mongodb|redis|sqlite|iceberg\w*"
    r"|deltalake\w*|hudi\w*|get\w*|has_?column\w*|hascolumnintable|file_?system\w*|filesystem\w*|sleep\w*|throw\w*"
    r"|now\w*|today|yesterday|current\w*|rand\w*|uuid\w*|generateuuid\w*|snowflake\w*|server\w*|host\w*|fqdn|uptime"
    r"|version\w*|user|initial\w*|query\w*|transaction\w*|connection\w*|timezone|servertimezone|block\w*|row\w*"
    r"|running\w*|neighbo\w*|lag\w*|lead\w*|materialize|ignore|show\w*|structure\w*|error\w*|demangle|addressto\w*"
    r"|catboost\w*|model\w*|ai\w*|mergetree\w*|part\w*|tcp\w*|macro\w*|defaultvalue\w*|estimate\w*|identity|trap\w*"
    r"|encrypt|decrypt\w*|aes\w*|finalizeaggregation|arrayjoin|nondeterministic\w*|canonicalrand|zookeeper\w*|keeper\w*"
)
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
            if _NO_FUNCTION.fullmatch(text.lower()):
                return f"{text}() is not allowed: it reads something else, waits, or answers otherwise at another time"
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
