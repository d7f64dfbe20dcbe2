"""The whole demo on real digits: as accurate as torch from the same weights and orders."""

import sys

import numpy as np
import pytest

import symgrad as sg
from tests.demos.running import DEMOS

sys.path.insert(0, str(DEMOS))
import digits
import mnist_mlp

pytestmark = pytest.mark.full

LEAST = {"sigmoid": 0.89, "relu": 0.97}
MARGIN = 0.003  # three of a thousand digits, for what float32's rounding decides


@pytest.fixture(scope="module")
def mnist() -> digits.Digits:
    directory = digits.found_mnist()
    assert directory, "`make test-full` wants MNIST's IDX files in $SYMGRAD_DATA/mnist"
    return digits.mnist(directory)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("activation", LEAST)
def test_accuracy(mnist, activation):
    loss, logits = mnist_mlp.network(784, activation)
    optimizer = sg.SGD(lr=0.01, momentum=0.5)
    model = sg.compile(loss, optimizer=optimizer, outputs={"logits": logits})
    names = [f"{letter}{k}" for k in (1, 2, 3) for letter in "Wb"]
    weights = [np.array(model.parameters[name]) for name in names]
    model.fit(mnist.train, epochs=10, batch_size=32, progress=False)
    ours = np.mean(model.predict(mnist.test, "logits").argmax(axis=1) == mnist.test["label"])
    theirs = torch_accuracy(mnist, weights, activation)
    print(f"{activation}: symgrad {ours:.4f}, torch {theirs:.4f}")
    assert ours >= theirs - MARGIN
    assert ours > LEAST[activation]


def torch_accuracy(mnist: digits.Digits, weights: list[np.ndarray], activation: str) -> float:
    import torch
    from torch.nn import functional as F

    from symgrad.train.orders import shuffled

    W1, b1, W2, b2, W3, b3 = parameters = [torch.tensor(w, requires_grad=True) for w in weights]
    optimizer = torch.optim.SGD(parameters, lr=0.01, momentum=0.5)
    act = getattr(torch, activation)

    def logits(image):
        return F.linear(act(F.linear(act(F.linear(image, W1, b1)), W2, b2)), W3, b3)

    image, label = map(torch.from_numpy, mnist.train.values())
    for epoch in range(10):
        for batch in torch.from_numpy(shuffled(0, epoch, len(label))).split(32):
            optimizer.zero_grad()
            F.cross_entropy(logits(image[batch]), label[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        seen = logits(torch.from_numpy(mnist.test["image"])).argmax(dim=1).numpy()
    return float(np.mean(seen == mnist.test["label"]))
