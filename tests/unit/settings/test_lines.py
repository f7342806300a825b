from __future__ import annotations

import tomllib

from hypothesis import example, given
from hypothesis import strategies as st

from syncpipe.settings.lines import flatten, locate
from syncpipe.settings.listing import toml_value

NASTY = '''\
# [not.a.table]
a = 1

[x]  # a comment
b = """
[y]
c = 2
"""
d = [
  "[z]", # comment ]
  { e = 1, "f" = 2 },
]
"quoted key" = 'literal \\ '
g.h = { i = { j = 5 } }

[x.y."dotted.name"]
k = """one line"""
[[list]]
l = 1
[[list]]
l = 2
'''


def test_every_path_has_the_line_on_which_it_begins():
    lines = locate(NASTY)
    assert lines == {
        ("a",): 2,
        ("x",): 4,
        ("x", "b"): 5,
        ("x", "d"): 9,
        ("x", "quoted key"): 13,
        ("x", "g"): 14,
        ("x", "g", "h"): 14,
        ("x", "g", "h", "i"): 14,
        ("x", "g", "h", "i", "j"): 14,
        ("x", "y"): 16,
        ("x", "y", "dotted.name"): 16,
        ("x", "y", "dotted.name", "k"): 17,
        ("list",): 18,
        ("list", "l"): 19,
    }


def test_line_ends_of_windows_count_once():
    assert locate("a = 1\r\n\r\nb = 2\r\n") == {("a",): 1, ("b",): 3}


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=5)
VALUES = st.integers(0, 9) | NAMES | st.lists(NAMES, max_size=3)


@example({"table": {"\u2028": "\x85", "last": 1}})
@given(st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), max_size=4))
def test_a_written_file_is_located_path_by_path(tree):
    lines, expected = [], {}
    for table, keys in tree.items():
        lines += ["", f"[{toml_value(table)}]"]
        expected[table,] = len(lines)
        for name, value in keys.items():
            lines += ["# comment", f"{toml_value(name)} = {toml_value(value)}"]
            expected[table, name] = len(lines)
    text = "\n".join(lines)
    assert tomllib.loads(text) == tree
    assert locate(text) == expected
    assert {path for path, _ in flatten(tree)} == set(expected)
