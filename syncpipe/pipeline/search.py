"""Which records to try next, so that few calls find those that a target refuses. Pure.

The records stand in a row and are tried from its front, so that what was sent first goes first: a
record on which others depend comes before them. Among a few of which at least one is refused, each
is tried for itself, in one pass, so that nothing is ever concluded about a record: its own answer
decides.

Among *n* records of which *k* are refused, this takes at most ``k * (ceil(log2(n / k)) + 2)`` calls
of the target, wherever in the row they stand; the call that the target refused first, with all of
them, is counted too. A test plays the adversary.
"""

from __future__ import annotations

from dataclasses import dataclass

#: So many records, or fewer, are not worth dividing: each is tried for itself.
FEW = 4
#: Where at least one in so many is refused, dividing takes longer than trying each for itself.
DENSE = 8
#: Most records that are tried for themselves in one pass, which is one transaction.
LONGEST_PASS = 256


@dataclass(frozen=True, slots=True)
class Step:
    """What to try next."""

    #: How many records, from the front of what is left of the row.
    number: int
    #: Whether each of them is tried for itself, in one pass; otherwise all of them together.
    each: bool


class Search:
    """One search through a row of records. Whoever tries them tells what came of it."""

    def __init__(self, total: int) -> None:
        """Begin with a row of *total* records, of which all together have been refused."""
        self._total = self._left = total
        self._refused = 0
        # So many at the front hold at least one that is refused; 0 where nothing is known.
        self._known = total

    def next(self) -> Step:
        """Return what to try next; something must be left."""
        if self._known > FEW:
            return Step(_first_part(self._known), each=False)
        if self._known:
            return Step(self._known, each=True)
        # Half as many as there is one refused among, as far as it can be told: as often as not,
        # they pass. What lies ahead counts as well, or a few at the front would seem to be many.
        number = (2 * self._total - self._left) // (2 * max(1, self._refused))
        if number <= DENSE:
            return Step(min(self._left, LONGEST_PASS), each=True)
        if 4 * self._left <= 5 * number:
            number = self._left  # a small rest is not worth a call of its own
        return Step(number, each=number <= FEW)

    def passed(self, number: int) -> None:
        """Note that the first *number* passed, together: they leave the row."""
        self._left -= number
        self._known = max(0, self._known - number)

    def failed(self, number: int) -> None:
        """Note that the first *number* were refused, together: they stay in the row."""
        self._known = number

    def settled(self, number: int, refused: int) -> None:
        """Note that *number* of the first leave the row, *refused* of them as refused."""
        self._left -= number
        self._refused += refused
        self._known = 0 if refused else max(0, self._known - number)


def _first_part(number: int) -> int:
    """Return how many of *number* come first: the smaller part, neither longer than a power of two.

    That many calls find one among so many, and no more.
    """
    half = 1 << (number - 1).bit_length() - 1
    return max(number - half, half // 2)
