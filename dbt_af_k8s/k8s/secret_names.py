"""Which names sound as if a secret stood behind them: of variables, keys and options."""

import re

_SECRET_NAME = re.compile(r"(^|_)(PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_KEY|ACCESS_KEY|CREDENTIALS?)$")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN = re.compile(r"[^A-Za-z0-9]+")


def sounds_secret(name: str) -> bool:
    """Whether the value of a thing of that name should not be shown: `DB_PASSWORD`, `api-token`, `accessKey`."""
    return _SECRET_NAME.search(_BETWEEN.sub("_", _HUMP.sub("_", name)).upper()) is not None
