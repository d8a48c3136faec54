"""A suffix that people can say to each other: three words that follow from a text. Pure."""

import hashlib

_HOW = (
    *("amber", "brave", "bright", "brisk", "calm", "clear", "cosy", "crisp", "eager", "early", "fair", "fond", "fresh"),
    *("gentle", "glad", "golden", "grand", "green", "happy", "honest", "jolly", "keen", "kind", "light", "lively"),
    *(
        "lucky",
        "mellow",
        "merry",
        "mild",
        "neat",
        "noble",
        "plain",
        "proud",
        "quick",
        "quiet",
        "rapid",
        "ready",
        "rosy",
    ),
    *("royal", "shiny", "silent", "silver", "smart", "smooth", "snowy", "soft", "solid", "steady", "still", "sunny"),
    *(
        "sweet",
        "swift",
        "tidy",
        "tiny",
        "true",
        "vivid",
        "warm",
        "wide",
        "wild",
        "windy",
        "wise",
        "witty",
        "young",
        "zesty",
    ),
)
_WHAT = (
    *("acorn", "badger", "beach", "birch", "bridge", "brook", "candle", "cedar", "cliff", "cloud", "clover", "comet"),
    *(
        "coral",
        "crane",
        "creek",
        "daisy",
        "delta",
        "dune",
        "eagle",
        "ember",
        "falcon",
        "fern",
        "field",
        "finch",
        "forest",
    ),
    *("garden", "harbor", "hazel", "heron", "hill", "island", "ivy", "lake", "lark", "leaf", "maple", "meadow", "moon"),
    *("moss", "oak", "ocean", "olive", "orchid", "otter", "owl", "pearl", "pine", "pond", "poppy", "prairie", "reef"),
    *(
        "ridge",
        "river",
        "robin",
        "shore",
        "sparrow",
        "spring",
        "stone",
        "stork",
        "tulip",
        "valley",
        "wave",
        "willow",
        "wren",
    ),
)


def readable_suffix(text: str) -> str:
    """`quiet-amber-otter`: the same for the same text; one of about 230,000."""
    digest = hashlib.sha256(text.encode()).digest()
    numbers = [int.from_bytes(digest[start : start + 4]) for start in (0, 4, 8)]
    return f"{_HOW[numbers[0] % len(_HOW)]}-{_HOW[numbers[1] % len(_HOW)]}-{_WHAT[numbers[2] % len(_WHAT)]}"
