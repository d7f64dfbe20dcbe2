"""Fully connected networks, from 2-32-32-1 to 1024-1024-1024-1024: one row each."""

from tests.bench.workload import Workload
from tests.bench.workloads.network_peers import Network, peers

DIGITS = (784, 512, 256, 10)
NETWORKS = {
    "relu": Network(DIGITS, 32, 6_400, "relu", labelled=True),
    "sigmoid": Network(DIGITS, 32, 6_400, "sigmoid", labelled=True, optimizer="momentum"),
    "adam": Network(DIGITS, 32, 6_400, "relu", labelled=True, optimizer="adam"),
    "two_layers": Network((1000, 100, 10), 64, 64, "relu", biased=False, epochs=500),
    "full_batch": Network((4, 32, 16, 4), 10_000, 10_000, "tanh", optimizer="adam", epochs=100),
    "small": Network((2, 32, 32, 1), 16, 16_000, "tanh", epochs=20),
    "wide": Network((1024,) * 4, 256, 1_280, "relu"),
}
AIMS = {
    "relu": "0.9x of the best peer; 1.2x of the arithmetic",
    "sigmoid": "0.9x of the best peer; 1.2x of the arithmetic",
    "adam": "0.9x of the best peer",
    "two_layers": "0.9x of the best peer; 1.3x of the arithmetic",
    "full_batch": "0.6x of the best peer; 400 us",
    "small": "0.5x of the best peer; 2.5 us",
    "wide": "not slower than the best peer; 0.95x",
}


def workload(name: str) -> Workload:
    network = NETWORKS[name]
    sizes = "-".join(map(str, network.sizes))
    title = f"{sizes} {network.activation}, batch {network.batch}, {network.optimizer}, float32"
    return Workload(title, unit="step", scale="us", peers=peers(network), aim=AIMS[name])


ROWS = {f"network_{name}": workload(name) for name in NETWORKS}
