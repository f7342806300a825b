from __future__ import annotations

import pytest

from syncpipe.core.access import Access, Identity, Role
from syncpipe.errors import AccessDenied

LISTED = Access(
    viewers=("cli:vic", "postgres:looking"),
    operators=("cli:olga", "basic:vic2"),
    admins=("oauth:ada@example.org", "postgres:owners", "cli:vic3"),
    default="none",
)


@pytest.mark.parametrize(
    ("names", "role"),
    [
        ({"cli:vic"}, Role.VIEWER),
        ({"postgres:looking", "cli:nobody"}, Role.VIEWER),
        ({"cli:olga"}, Role.OPERATOR),
        ({"cli:vic", "cli:olga"}, Role.OPERATOR),
        ({"cli:olga", "postgres:owners", "postgres:looking"}, Role.ADMIN),
        ({"oauth:ada@example.org"}, Role.ADMIN),
    ],
)
def test_the_highest_role_of_all_names_counts(names, role):
    assert LISTED.identity("x@h", names) == Identity("x@h", role)


@pytest.mark.parametrize("names", [set(), {"cli:ada"}, {"basic:olga"}, {"cli:VIC"}, {"vic"}])
def test_strangers_are_refused_where_there_is_no_role_for_them(names):
    with pytest.raises(AccessDenied, match="x@h has no role"):
        LISTED.identity("x@h", names)


def test_strangers_get_the_default_and_only_they():
    access = Access(viewers=("cli:vic",), default="admin")
    assert access.identity("x", {"cli:x"}).role is Role.ADMIN
    assert access.identity("vic", {"cli:vic"}).role is Role.VIEWER
    assert Access().identity("x", set()).role is Role.OPERATOR


def test_the_roles_of_the_database_are_those_that_are_named():
    assert LISTED.roles_of_database == {"looking", "owners"}
    assert Access().roles_of_database == frozenset()


def test_who_may_not_is_told_what_it_takes():
    Identity("ann", Role.OPERATOR).require(Role.VIEWER, "look")
    with pytest.raises(AccessDenied, match="ann is operator; to purge takes the role admin"):
        Identity("ann", Role.OPERATOR).require(Role.ADMIN, "purge")
