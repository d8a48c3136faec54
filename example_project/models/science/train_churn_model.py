"""Learn which customers may not come back. An ordinary script: Kubernetes runs it as `python train_churn_model.py`.

dbt only reads `model()`, to learn what the script depends on.
"""

import json
import math
import os


def model(dbt, session):
    """Name what the script reads. It runs only where someone builds this node by dbt itself."""
    return dbt.ref("customer_features")


def train(examples: list[tuple[float, bool]], steps: int = 2_000, rate: float = 0.05) -> tuple[float, float]:
    """Logistic regression on one number by gradient descent: (weight, bias)."""
    weight = bias = 0.0
    for _ in range(steps):
        for orders, stayed in examples:
            miss = float(stayed) - 1 / (1 + math.exp(-(weight * orders + bias)))
            weight += rate * miss * orders / len(examples)
            bias += rate * miss / len(examples)
    return weight, bias


def main() -> None:
    """Train on a few customers: orders in the last week, and whether they came back."""
    weight, bias = train([(0, False), (1, False), (2, True), (3, True), (1, True), (4, True)])
    interval = {"start": os.environ.get("START_DTTM", ""), "end": os.environ.get("END_DTTM", "")}
    print(json.dumps({"interval": interval, "weight": round(weight, 3), "bias": round(bias, 3)}))


if __name__ == "__main__":
    main()
