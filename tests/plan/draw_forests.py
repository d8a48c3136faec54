"""Lays out COUNT random pictures of up to 300 components: chains, diamonds, tests on models. Started by a test."""

import random
import sys

from dbt_af_k8s.plan.render.layout import lay_out
from dbt_af_k8s.plan.render.picture import Arrow, Box, Picture


def forest(seed: int) -> Picture:
    """Components of 1 to 16 boxes, each box below one to three earlier ones."""
    chance = random.Random(seed)
    boxes: list[Box] = []
    arrows: list[Arrow] = []
    for component in range(chance.choice((1, 5, 24, 60, 300))):
        keys = [f"{component}.{number}" for number in range(chance.choice((1, 2, 2, 2, 3, 4, 8, 16)))]
        boxes += [Box(key, key) for key in keys]
        for number in range(1, len(keys)):
            above = sorted({chance.randrange(number) for _ in range(chance.choice((1, 1, 2, 3)))})
            arrows += [Arrow(keys[each], keys[number]) for each in above]
    if chance.random() < 0.5:
        chance.shuffle(boxes)
    return Picture("t", "d", tuple(boxes), tuple(arrows))


if __name__ == "__main__":
    for seed in range(int(sys.argv[1])):
        picture = forest(seed)
        assert len(lay_out(picture).boxes) == len(picture.boxes)
