"""Models that train on several threads: the same numbers, the same bits, and no hanging."""

import os
import threading
import time

import numpy as np
import pytest

import symgrad as sg
from symgrad.lower import parallel, sharing, thread_costs
from tests.corpus import MODELS
from tests.selection import mostly_full
from tests.train.threaded import network, numbers, run


@pytest.fixture(autouse=True)
def as_before():
    yield
    sg.set_threads(None)


@pytest.fixture
def everywhere(monkeypatch):
    """Kernels are shared whether that pays or not."""
    monkeypatch.setattr(parallel, "GAIN", np.inf)
    monkeypatch.setattr(parallel, "SHORTEST", -1e9)
    monkeypatch.setattr(parallel, "BARRIER", 0.0)
    for name, free in (("MOVED", np.inf), ("FETCHED", 0.0)):
        monkeypatch.setattr(thread_costs, name, free)
    monkeypatch.setattr(sharing, "FEWEST", 1)


def assert_close(model, other, tolerance=1e-10):
    for name, value in other.parameters.items():
        scale = max(np.abs(value).max(), 1e-3)
        np.testing.assert_allclose(
            model.parameters[name], value, rtol=0, atol=tolerance * scale, err_msg=name
        )


def same_bits(model, other):
    return all(np.array_equal(v, model.parameters[k]) for k, v in other.parameters.items())


# --- how many -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "error"),
    [(0, ValueError), (-2, ValueError), (10**6, ValueError), (1.5, TypeError), ("2", TypeError),
     (True, TypeError)],
)  # fmt: skip
def test_what_is_no_number_of_threads(n, error):
    with pytest.raises(error, match="the number of threads is"):
        sg.set_threads(n)


def test_the_number_by_default():
    """In a new process, and in what is forked off it, with another environment or other cores."""
    code = """
        def default_threads():
            child = os.fork()
            if child == 0:
                os._exit(sg.get_threads())
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

        os.environ.pop("OMP_NUM_THREADS", None)
        default_threads()
        for given in ("1", "many"):
            os.environ["OMP_NUM_THREADS"] = given
            default_threads()
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        default_threads()
    """
    free, one, many, bound = map(int, run(code, "import os, symgrad as sg").split())
    assert 1 <= free <= len(os.sched_getaffinity(0))
    assert (one, many, bound) == (1, free, 1)


def test_small_kernels_stay_as_they_are():
    x, y = sg.data("x y")
    w, b = sg.parameter("w b")
    sources = []
    for n in (1, 4):
        sg.set_threads(n)
        model = sg.compile((w * x + b - y) ** 2, sg.SGD(0.1))
        model.fit({"x": [1.0, 2], "y": [3.0, 5]}, epochs=1, batch_size=2)
        sources.append(model.source)
    assert sources[0] == sources[1] and "thread" not in sources[0]


def test_the_plan_stands_in_the_source():
    sg.set_threads(2)
    model = network()
    model.step(numbers())
    plan = [line[2:] for line in model.source.splitlines() if line.startswith("# ")]
    assert plan[0].startswith("2 threads; one takes ")
    assert any("phase 0" in line and "h0" in line and "share of" in line for line in plan)
    assert model.source in model.explain()


# --- what they compute ----------------------------------------------------------------------------


SHARED = ["classifier", "matrix_factorisation", "attention", "batch_normalised", "info_nce",
          "without_data"]  # fmt: skip


def trained(make, target, n=None, epochs=3):
    sg.set_threads(n)
    model = make(target)
    history = model.fit(*model.given, epochs=epochs, batch_size=4, progress=False)
    return model, history


@pytest.mark.filterwarnings("ignore::symgrad.optimize.rule.DenseUpdateWarning")
@pytest.mark.parametrize("name", mostly_full(MODELS, SHARED))
def test_the_corpus(name, seed, everywhere):
    number = list(MODELS).index(name)
    dtype, threads = ("float64", "float32")[number % 2], 2 + number % 3

    def make(target):
        entry = MODELS[name](np.random.default_rng(seed))
        model = sg.compile(entry.loss, sg.SGD(0.05, momentum=0.5), target=target, dtype=dtype)
        for key, array in entry.values.items():
            model.parameters[key] = array
        model.given = (entry.data,)
        return model

    reference, _ = trained(make, "reference")
    model, history = trained(make, "cpu", threads)
    again, same = trained(make, "cpu", threads)
    assert f"barrier(sync, {threads})" in model.source
    assert same_bits(model, again) and np.array_equal(history.step_loss, same.step_loss)
    assert_close(model, reference, 1e-10 if dtype == "float64" else 2e-4)


@pytest.mark.filterwarnings("ignore::symgrad.optimize.rule.DenseUpdateWarning")
@pytest.mark.parametrize("name", ["classifier", "mixture", "matrix_factorisation", "recurrent"])
def test_the_corpus_as_assembly(name, seed, everywhere, monkeypatch):
    """Numbers that live in cells of memory: every thread has its own."""
    monkeypatch.setattr("symgrad.generate.blocks.LARGEST", -1)
    test_the_corpus(name, seed, None)


@pytest.mark.parametrize(("dtype", "counts"), mostly_full(
    [("float64", (1, 3)), ("float64", (2, 4)), ("float32", (2,))], [("float64", (1, 3))]
))  # fmt: skip
def test_sizes_that_do_not_divide(dtype, counts):
    """The last mini-batch is smaller, and no axis is a multiple of the number of threads."""
    data, found = numbers(150 if dtype == "float64" else 131), []
    reference = network(width=301, dtype=dtype, target="reference")
    reference.fit(data, epochs=2, batch_size=64)
    for n in counts:
        sg.set_threads(n)
        for _ in range(2):
            model = network(width=301, dtype=dtype)
            losses = model.fit(data, epochs=2, batch_size=64, progress=False).step_loss
            found.append((model, losses))
        assert ("barrier" in model.source) == (n > 1)
        assert same_bits(found[-1][0], found[-2][0])
        assert np.array_equal(found[-1][1], found[-2][1])
        assert_close(model, reference, 1e-10 if dtype == "float64" else 1e-4)


@pytest.mark.parametrize("threads", [2, 3])
def test_products_of_samples_with_samples(threads, everywhere):
    """Made for whole mini-batches and each thread's share of them; the last one is smaller."""
    x, y = sg.data("x", shape=6), sg.data("y", shape=5)
    A, B = (
        sg.parameter("A", shape=(8, 6), init="linear"),
        sg.parameter("B", shape=(8, 5), init="linear"),
    )
    z, q = sg.let("z", A @ x), sg.let("q", B @ y)
    loss = sg.logsumexp(sg.batch(q) @ z) + sg.logsumexp(sg.batch(z) @ q) - 2 * sg.dot(z, q)
    rng, models = np.random.default_rng(0), []
    data = {"x": rng.standard_normal((100, 6)), "y": rng.standard_normal((100, 5))}
    for target in ("reference", "cpu"):
        sg.set_threads(threads)
        models.append(sg.compile(loss, sg.SGD(0.01), target=target, dtype="float64"))
        models[-1].fit(data, epochs=2, batch_size=64, progress=False)
    source = models[1].source
    assert f"barrier(sync, {threads})" in source
    assert source.count("gemm(") == source.count("if n == 64:") > 0
    assert_close(models[1], models[0])


def test_outputs_losses_and_gradients(everywhere):
    data, found = numbers(90), []
    sg.set_threads(3)
    for target in ("reference", "cpu"):
        model = network(target=target)
        gradients = model.gradients(data)
        found.append([model.loss(data), model.predict(data, "z"), *gradients.values()])
    for one, three in zip(*found, strict=True):
        np.testing.assert_allclose(three, one, rtol=1e-10, atol=1e-12)


def test_groups_of_mini_batches_and_other_numbers_between_fits():
    data, models = numbers(), []
    for target, counts in (("reference", (1, 1)), ("cpu", (2, 3))):
        model = network(target=target)
        for n in counts:
            sg.set_threads(n)
            model.fit(data, epochs=3, batch_size=32, accumulate=2, progress=False)
        models.append(model)
    assert_close(*models)


def test_a_computed_index_that_is_out_of_range(everywhere, monkeypatch):
    x, u = sg.data("x", shape=4), sg.data("u", dtype=int)
    W = sg.parameter("W", shape=(6, 4), init="linear")
    loss = (W[u + 3] @ x - 1) ** 2
    rng = np.random.default_rng(0)
    data = {"x": rng.standard_normal((8, 4)), "u": np.arange(8) % 3}
    sg.set_threads(2)
    model = sg.compile(loss, sg.SGD(0.1))
    model.step(data)
    assert "barrier" in model.source
    data["u"][5] = 3
    monkeypatch.setattr("symgrad.train.indices.ComputedIndices.check", lambda *_: None)
    for _ in range(20):
        with pytest.raises(IndexError, match="an index that the model computes"):
            model.step(data)
    data["u"][5] = 0
    model.step(data)


# --- that they come to an end ---------------------------------------------------------------------


def test_two_models_at_once():
    data, models = numbers(), [network(seed=k) for k in range(3)]
    sg.set_threads(2)
    work = [
        threading.Thread(
            target=m.fit, args=(data,), kwargs={"epochs": 12, "batch_size": 50, "progress": False}
        )
        for m in models
    ]
    for t in work:
        t.start()
    for t in work:
        t.join(200)
        assert not t.is_alive()
    for k, m in enumerate(models):
        alone = network(seed=k)
        alone.fit(data, epochs=12, batch_size=50, progress=False)
        assert same_bits(m, alone)


def test_a_process_that_is_forked_off_works():
    code = """
        sg.set_threads(2)
        fit()
        assert "barrier" in model.source
        other = network(seed=1)
        busy = threading.Thread(target=other.fit, args=(data,), kwargs=dict(
            epochs=10**6, batch_size=50, progress=False), daemon=True)
        busy.start()  # holds what a fork may copy while it is held
        for k in range(10):
            child = os.fork()
            if child == 0:
                fit() if k % 2 else other.fit(data, epochs=1, batch_size=50, progress=False)
                os._exit(7)
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
        fit()
        os._exit(0)
    """
    assert run(code).split() == ["7"] * 10


def test_more_threads_than_cores():
    code = """
        cores = len(os.sched_getaffinity(0))
        os.sched_setaffinity(0, set(list(os.sched_getaffinity(0))[:1]))
        sg.set_threads(4)
        fit(2)
        print("done", "barrier(sync, 4)" in model.source)
    """
    assert run(code).split() == ["done", "True"]


def test_ctrl_c_at_any_time(share):
    """Ctrl-C in steps and fits, many times: each ends at once, and the next one works."""
    code = """
        sg.set_threads(2)
        fit()
        ended = 0
        rng = np.random.default_rng(0)
        for k in range(ROUNDS):
            press = threading.Timer(rng.uniform(0, 0.01), os.kill, (os.getpid(), signal.SIGINT))
            try:
                press.start()
                if k % 2:
                    begin = time.perf_counter()
                    ended += fit(10**6).interrupted
                    assert time.perf_counter() - begin < 20
                else:
                    while True:
                        model.step(data)
            except KeyboardInterrupt:
                ended += 1
        history = fit()
        print(ended, len(history.epochs), np.isfinite(history.loss).all())
    """
    rounds = str(share(120))
    assert run(code.replace("ROUNDS", rounds)).split() == [rounds, "20", "True"]


def test_a_signals_handler_may_use_models():
    """It waited for ever for the threads of the call that it came in: another model, this one's
    loss, and the very kernel that was at work."""
    code = """
        sg.set_threads(2)
        other = network(seed=1)
        expected = other.loss(data)
        fit()
        assert "barrier" in model.source
        def look(*_):
            seen.append((other.loss(data) == expected, np.isfinite(model.loss(data))))
        signal.signal(signal.SIGALRM, look)
        seen = []
        def rounds(work):
            seen.clear()
            while len(seen) < 5:
                signal.setitimer(signal.ITIMER_REAL, 0.005)
                work()
            signal.setitimer(signal.ITIMER_REAL, 0)
            print(all(map(all, seen)))
        rounds(fit)
        rounds(lambda: [other.loss(data) for _ in range(50)])
        alone = network()
        while alone.epoch < model.epoch:
            alone.fit(data, epochs=20, batch_size=50, progress=False)
        print(all((alone.parameters[k] == v).all() for k, v in model.parameters.items()))
    """
    assert run(code).split() == ["True"] * 3


@pytest.mark.parametrize("every", [1, 3])
def test_what_a_signals_handler_raises_comes_after_a_whole_call(every):
    """It was not counted, as the handler comes before the call's result: it was made again."""
    code = """
        sg.set_threads(2)
        def end(*_):
            raise TimeoutError
        signal.signal(signal.SIGALRM, end)
        options = dict(batch_size=7, accumulate=EVERY, progress=False)
        for k in range(4):
            begun, reached = network(), network()
            reached.fit(data, epochs=1, **options), begun.fit(data, epochs=1, **options)
            signal.setitimer(signal.ITIMER_REAL, 0.03)
            try:
                begun.fit(data, epochs=10**6, **options)
            except TimeoutError:
                begun.fit(data, epochs=1, resume=True, **options)
            reached.fit(data, epochs=begun.epoch - 1, **options)
            print(all((begun.parameters[k] == v).all() for k, v in reached.parameters.items()))
    """
    assert run(code.replace("EVERY", str(every))).split() == ["True"] * 4


def test_a_kernels_memory_is_not_kept_by_the_pool():
    import gc
    import weakref

    sg.set_threads(2)
    model = network()
    model.fit(numbers(), epochs=1, batch_size=50, progress=False)
    executable = weakref.ref(model.executables.latest("step"))
    del model
    gc.collect()
    begin = time.perf_counter()
    while executable() is not None and time.perf_counter() - begin < 10:
        time.sleep(0.01)
    assert executable() is None
