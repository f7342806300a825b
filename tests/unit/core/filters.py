"""Filters at random: trees, and texts that people may write."""

from __future__ import annotations

import string
import uuid

from hypothesis import strategies as st

from syncpipe.core.filter_fields import DATA, LAST_MOMENT_MS, STATES
from syncpipe.core.filtering import Comparison, Either, Every, Not, Term

BY_SIZE = (Comparison.LESS, Comparison.AT_MOST, Comparison.MORE, Comparison.AT_LEAST)
TEXTS = ["target", "collection", "key", "sqlstate", "constraint", "endpoint", "stage", "worker"]
#: What may be in a text, signs of the language more often than others.
ANY_TEXT = st.one_of(
    st.text(alphabet="abc*\"\\():,<>=-. %_'", max_size=12),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
)


def sizes(field, values):
    return st.builds(Term, st.just(field), st.sampled_from(BY_SIZE), values)


DIGITS = st.text("0123456789abcdef", min_size=1, max_size=15)
#: Terms as the parser makes them.
TERMS = st.one_of(
    st.builds(
        Term,
        st.sampled_from(TEXTS),
        st.sampled_from([Comparison.EQUAL, Comparison.PREFIX]),
        ANY_TEXT,
    ),
    st.builds(Term, st.just("state"), st.just(Comparison.EQUAL), st.sampled_from(STATES)),
    st.builds(
        Term,
        st.just("code"),
        st.just(Comparison.EQUAL),
        st.sampled_from(["SP-E511", "23505", "409", "ABCDE"]),
    ),
    st.builds(
        Term, st.just("code"), st.just(Comparison.PREFIX), st.sampled_from(["", "SP-E", "23"])
    ),
    st.builds(Term, st.just("fp"), st.just(Comparison.PREFIX), DIGITS),
    st.builds(
        Term,
        st.sampled_from(["id", "op", "replay"]),
        st.just(Comparison.EQUAL),
        st.builds(str, st.builds(uuid.UUID, int=st.integers(0, 2**128 - 1))),
    ),
    sizes("attempts", st.integers(0, 10**18 - 1)),
    sizes("status", st.integers(0, 999)),
    st.one_of(*(sizes(name, st.integers(0, LAST_MOMENT_MS)) for name in ("first", "last"))),
    st.builds(
        Term,
        st.just(DATA),
        st.sampled_from([Comparison.EQUAL, Comparison.PREFIX]),
        ANY_TEXT,
        st.lists(ANY_TEXT, min_size=1, max_size=4).map(tuple),
    ),
    st.builds(
        Term,
        st.just(DATA),
        st.sampled_from(BY_SIZE),
        st.from_regex(r"-?[0-9]{1,30}(\.[0-9]{1,9})?", fullmatch=True),
        st.lists(ANY_TEXT, min_size=1, max_size=4).map(tuple),
    ),
)
#: Trees as the parser makes them: what joins has two parts at least.
TREES = st.recursive(
    st.one_of(TERMS, st.just(Every())),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(Every, st.lists(inner, min_size=2, max_size=4).map(tuple)),
        st.builds(Either, st.lists(inner, min_size=2, max_size=4).map(tuple)),
    ),
    max_leaves=12,
)
#: Trees that nothing is parsed to.
WILD = st.recursive(
    st.builds(
        Term,
        st.sampled_from(
            [
                *(*TEXTS, "code", "kind", "state", "fp", "id", "op", "replay", "attempts"),
                *("status", "first", "last", "data"),
            ]
        ),
        st.sampled_from(Comparison),
        st.one_of(st.text(max_size=20), st.integers(), st.integers(-(10**40), 10**40)),
        st.lists(st.text(max_size=6), min_size=1, max_size=3).map(tuple),
    ),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(Every, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Either, st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)
#: Pieces of texts, in any order.
PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *("target:crm", "age:>1h", "data.a:1", "(", ")", "-", "or", "and", "not", " ", ","),
                *('"', "\\", ":", "<", ">=", "data.", "id:", "code:", "state:open", "()", "last:>"),
                "*",
            ]
        ),
        st.text(string.printable, max_size=5),
    ),
    max_size=30,
).map("".join)
