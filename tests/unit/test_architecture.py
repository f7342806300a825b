"""What the design asks of the source itself, and no linter checks."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PRODUCT = sorted((*ROOT.glob("syncpipe/**/*.py"), *ROOT.glob("workers/**/*.py")))
TESTS = sorted(ROOT.glob("tests/**/*.py"))
CORE = [path for path in PRODUCT if path.is_relative_to(ROOT / "syncpipe/core")]
ORACLE = [path for path in PRODUCT if path.is_relative_to(ROOT / "syncpipe/demo/oracle")]

#: Who may read the environment: the settings, and what runs before there are any.
ENVIRONMENT_READERS = ("syncpipe/settings", "syncpipe/_bootstrap.py")
#: Names that say nothing about what a module is.
VAGUE = {"base", "common", "helper", "helpers", "misc", "shared", "util", "utils"}
#: What stands at the top of the repository, beside what version control ignores.
TOP_LEVEL = {
    *("pyproject.toml", "syncpipe", "workers", "config", "tests", "deploy", "Makefile"),
    *("README.md", "docs", "uv.lock", "CHANGELOG.md", "LICENSE"),
}
MOST_LINES = 400
#: A list, and better in one place: the tree of all errors.
LISTS = {ROOT / "syncpipe/errors.py"}
MOST_BODY_LINES = 40

#: Beginnings of statements, all capitals or all small; "Select one from the list" is prose.
STATEMENTS = (
    r"select\b.+\bfrom|insert into|update \S+ set|delete from|truncate \S+",
    r"(create|alter|drop)( unlogged| temporary| temp| unique)? (database|extension|function|index)",
    r"(create|alter|drop)( unlogged| temporary| temp)? (role|schema|sequence|table|trigger|view)",
    r"with (recursive )?\w+ as|(lock|copy) \S+ (in|from|to)|set (local|session|transaction)",
)
#: Pieces that no prose has.
PIECES = (
    r"\b(ON CONFLICT|FOR UPDATE|ORDER BY|GROUP BY|(INNER|LEFT|CROSS) JOIN)\b",
    r"\b(WHERE \S+ =|VALUES \()",
    r"^\s*(SAVEPOINT|RELEASE|ROLLBACK|COMMIT|BEGIN|LISTEN|NOTIFY|VACUUM|ANALYZE)\b",
)
STATEMENT = re.compile("|".join(rf"\s*(?:{text})" for text in STATEMENTS), re.DOTALL)
PIECE = re.compile("|".join(PIECES))
LUA = re.compile(r"redis\.p?call\(|\bKEYS\[\d|\bARGV\[\d")


def literals(tree: ast.AST) -> Iterator[ast.Constant]:
    """Every text in the code that is not a docstring."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node


def is_sql(text: str) -> bool:
    """Whether *text* is a statement, or a piece of one."""
    first = text.lstrip().partition(" ")[0]
    begins = (first.isupper() or first.islower()) and STATEMENT.match(text.lower()) is not None
    return begins or PIECE.search(text) is not None


def reads_environment(tree: ast.AST) -> Iterator[int]:
    """Lines that read or change environment variables."""
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    for node in ast.walk(tree):
        by_attribute = isinstance(node, ast.Attribute) and node.attr in names
        by_import = isinstance(node, ast.ImportFrom) and node.module == "os"
        if by_attribute or (by_import and names & {alias.name for alias in node.names}):
            yield node.lineno


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of *function* without its head and docstring."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return (node for node in ast.walk(tree) if isinstance(node, kinds))


def undocumented(node: ast.Module | ast.ClassDef) -> Iterator[str]:
    """Public names in *node*, and in its public classes, that have no docstring."""
    for item in node.body:
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if item.name.startswith("_") or _is_overload(item):
                continue
            if not ast.get_docstring(item):
                yield item.name
            if isinstance(item, ast.ClassDef):
                yield from undocumented(item)


def _is_overload(item: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    return any("overload" in ast.unparse(decorator) for decorator in item.decorator_list)


def loose_dataclasses(tree: ast.AST) -> Iterator[str]:
    """Dataclasses that are not both frozen and slotted."""
    for node in ast.walk(tree):
        for decorator in getattr(node, "decorator_list", []):
            text = ast.unparse(decorator)
            if text.startswith(("dataclass", "dataclasses.dataclass")) and not (
                "frozen=True" in text and "slots=True" in text
            ):
                yield node.name


def imports(tree: ast.AST) -> Iterator[str]:
    """Names of all modules that are imported."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def found(paths: list[Path], check) -> list[str]:
    """What *check* finds in each of *paths*, with the place."""
    return [
        f"{path.relative_to(ROOT)}: {finding}"
        for path in paths
        for finding in check(ast.parse(path.read_text(encoding="utf-8")))
    ]


def test_only_the_settings_read_the_environment():
    readers = tuple(str(ROOT / reader) for reader in ENVIRONMENT_READERS)
    others = [path for path in PRODUCT if not str(path).startswith(readers)]
    assert found(others, reads_environment) == []


def test_no_sql_and_no_lua_stands_in_python():
    def check(tree: ast.AST) -> Iterator[str]:
        for node in literals(tree):
            if is_sql(node.value) or LUA.search(node.value):
                yield f"{node.lineno}: {node.value[:60]!r}"

    assert found(PRODUCT, check) == []


def test_modules_are_named_by_what_they_are():
    assert [str(path) for path in PRODUCT if path.stem in VAGUE or path.parent.name in VAGUE] == []


def test_files_are_short():
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for path in PRODUCT + TESTS
        if path not in LISTS
    }
    assert {str(path): length for path, length in lengths.items() if length > MOST_LINES} == {}


def test_functions_are_short():
    def check(tree: ast.AST) -> Iterator[str]:
        for function in functions(tree):
            if body_lines(function) > MOST_BODY_LINES:
                yield f"{function.name} has {body_lines(function)} lines"

    assert found(PRODUCT, check) == []


def test_every_public_name_has_a_docstring():
    assert found(PRODUCT, undocumented) == []


def test_values_of_the_core_are_frozen_and_slotted():
    assert found(CORE, loose_dataclasses) == []


def test_the_core_never_asks_for_the_time():
    def check(tree: ast.AST) -> Iterator[str]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}:
                base = ast.unparse(node.value)
                if base.rpartition(".")[2] in {"datetime", "date"}:
                    yield f"{node.lineno}: {base}.{node.attr}"

    assert found(CORE, check) == []


def test_the_oracle_knows_nothing_of_the_product():
    def check(tree: ast.AST) -> Iterator[str]:
        for name in imports(tree):
            ours = name.partition(".")[0] in {"syncpipe", "workers"}
            if name.startswith("..") or (ours and not name.startswith("syncpipe.demo.oracle")):
                yield name

    assert ORACLE, "the oracle is where this test looks for it"
    assert found(ORACLE, check) == []


def test_what_is_imported_is_declared():
    declared = {"syncpipe", "workers", *sys.stdlib_module_names}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for requirement in project["dependencies"]:
        declared.add(re.match(r"[\w-]+", requirement)[0])
    # An extra of psycopg; an extra of ours, and what it needs; and what whoever uses our pytest
    # plugin has anyway.
    optional = {
        "psycopg_pool": ("syncpipe/database", "syncpipe/targets"),
        "flower": ("syncpipe/ui",),
        "tornado": ("syncpipe/ui",),
        "pytest": ("syncpipe/testing",),
    }

    def undeclared(path: Path) -> Iterator[str]:
        for name in imports(ast.parse(path.read_text(encoding="utf-8"))):
            package = name.partition(".")[0] or "syncpipe"
            at_home = any(path.is_relative_to(ROOT / home) for home in optional.get(package, ()))
            if package not in declared and not at_home:
                yield f"{path.relative_to(ROOT)}: {name}"

    assert [finding for path in PRODUCT for finding in undeclared(path)] == []


def test_the_top_level_is_what_it_should_be():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    present = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    built = {name.strip("/") for name in ignored}
    strangers = {
        name for name in present - TOP_LEVEL - built if not name.endswith((".egg-info", ".pyc"))
    }
    assert strangers == set()


@pytest.mark.parametrize(
    "text",
    [
        "SELECT a FROM b",
        "\n  select 1 from x",
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "CREATE UNLOGGED TABLE t (a int)",
        "WITH x AS (SELECT 1)",
        "SAVEPOINT one",
        "BEGIN",
        " ON CONFLICT DO NOTHING",
        "x WHERE a = 1",
        "SET LOCAL lock_timeout = 1",
    ],
)
def test_sql_is_recognised(text):
    assert is_sql(text)


@pytest.mark.parametrize(
    "text",
    [
        "Select an operation from the list.",
        "update",
        "begin the day",
        "Delete it from there",
        "set",
    ],
)
def test_prose_is_not_sql(text):
    assert not is_sql(text)


def test_reading_the_environment_is_recognised():
    source = "import os\nfrom os import getenv\nx = os.environ['A']\n"
    assert list(reads_environment(ast.parse(source))) == [2, 3]


def test_what_lacks_a_docstring_is_recognised():
    source = "class A:\n    'doc'\n    def b(self): ...\n    def _c(self): ...\ndef d(): ...\n"
    assert list(undocumented(ast.parse(source))) == ["b", "d"]


def test_loose_dataclasses_are_recognised():
    source = (
        "@dataclass(frozen=True)\nclass A: ...\n"
        "@dataclass\nclass B: ...\n@dataclass(frozen=True, slots=True)\nclass C: ...\n"
    )
    assert list(loose_dataclasses(ast.parse(source))) == ["A", "B"]


def test_lines_of_a_body_leave_out_head_and_docstring():
    source = "def f(\n    a,\n):\n    '''doc'''\n    x = 1\n\n    return x\n"
    assert body_lines(next(functions(ast.parse(source)))) == 3
