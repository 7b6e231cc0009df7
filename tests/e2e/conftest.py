"""Instances that tests share, and what is shown of them when a test fails."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lazo_test import EXAMPLE, Instance, Receiver, Sink  # noqa: E402

PUBLIC = "https://mail.example.org"
running = []


def instance(**kw):
    env = {"LAZO_HTTP_PUBLIC_URL": PUBLIC, **kw.pop("env", {})}
    made = Instance(env=env, **kw)
    running.append(made)
    return made.start()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for one in running:
            if one.process is not None and one.process.poll() is None or report.when != "call":
                report.sections.append((f"instance {one.home}", one.diagnostics()))


def ended(one):
    try:
        one.stop()
    finally:
        running.remove(one)


@pytest.fixture(scope="session")
def sink():
    s = Sink().start()
    yield s
    s.stop()


@pytest.fixture(scope="session")
def receiver():
    r = Receiver().start()
    yield r
    r.stop()


@pytest.fixture(scope="session")
def lazo(sink):
    """An instance with a simulated clock and an organisation that has a sender and a postal address."""
    one = instance(relay=sink.url, clock="2023-02-20T09:00:00Z", env={"LAZO_HOOK_RETRY_FIRST": "1 s", "LAZO_HOOK_RETRIES": "2"})
    one.api("PATCH", "/v1/organisation", {"name": "Casa Común", "mail_from": "hola@casa.example", "postal_address": "Calle 1, Madrid"})
    one.api("PUT", "/v1/topics/news", {"title": "Noticias"})
    yield one
    ended(one)


@pytest.fixture(scope="session")
def example_sink():
    s = Sink().start()
    yield s
    s.stop()


@pytest.fixture(scope="session")
def example(example_sink, receiver):
    """The example association on the day that its history reaches to, the history imported."""
    one = instance(relay=example_sink.url, clock="2006-12-31T12:00:00Z", example=True, env={"LAZO_EXAMPLE_HOOK": receiver.url})
    one.ctl("import", "contacts", EXAMPLE / "history" / "contacts.csv", "--topic", "boletin", "--attestation", "on paper")
    one.ctl("import", "interactions", EXAMPLE / "history" / "donations.csv", "--kind", "donation", "--source", "history")
    one.settle(120)
    yield one
    ended(one)
