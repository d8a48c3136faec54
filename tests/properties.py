"""How many examples property tests draw, and how: the same ones each time, or new ones.

`make test` and CI repeat themselves: a test that passes there passes again. `make test-all` outside CI looks for
faults: it draws ten times as many examples, from another seed each time, and prints how to repeat one that failed. What
it finds becomes an `@example` of its test.
"""

import os

from hypothesis import settings

#: What `DBT_AF_K8S_TEST_PROPERTIES` may hold.
REPEATED, MANY, SEARCH = "repeated", "many", "search"
TIMES = {REPEATED: 1, MANY: 4, SEARCH: 10}
PROFILE = os.environ.get("DBT_AF_K8S_TEST_PROPERTIES", REPEATED)


def examples(count: int) -> int:
    """How many examples a test draws that draws `count` in `make test`."""
    return TIMES[PROFILE] * count


def choose_profile() -> None:
    """Load the profile; a module that makes its own `settings` inherits from it."""
    # How long one example takes says more about a busy machine than about the code.
    settings.register_profile(REPEATED, deadline=None, derandomize=True, database=None)
    settings.register_profile(MANY, deadline=None, derandomize=True, database=None, max_examples=examples(100))
    settings.register_profile(SEARCH, deadline=None, print_blob=True, max_examples=examples(100))
    settings.load_profile(PROFILE)
