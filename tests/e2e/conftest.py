"""Instances that tests share, and what is shown of them when a test fails."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from lazo_report import pytest_runtest_makereport  # noqa: E402, F401
from lazo_test import EXAMPLE, Instance, Receiver, Sink  # noqa: E402


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
    one = Instance(relay=sink.url, clock="2023-02-20T09:00:00Z", env={"LAZO_HOOK_RETRY_FIRST": "1 s", "LAZO_HOOK_RETRIES": "2", "LAZO_HOOK_GIVE_UP": "1 s"}).start()
    one.api("PATCH", "/v1/organisation", {"name": "Casa Común", "mail_from": "hola@casa.example", "postal_address": "Calle 1, Madrid"})
    one.api("PUT", "/v1/topics/news", {"title": "Noticias"})
    yield one
    one.stop()


@pytest.fixture(scope="session")
def example_sink():
    s = Sink().start()
    yield s
    s.stop()


@pytest.fixture(scope="session")
def example(example_sink, receiver):
    """The example association on the day that its history reaches to, the history imported."""
    one = Instance(relay=example_sink.url, clock="2006-12-31T12:00:00Z", example=True, env={"LAZO_EXAMPLE_HOOK": receiver.url}).start()
    one.ctl("import", "contacts", EXAMPLE / "history" / "contacts.csv", "--topic", "boletin", "--attestation", "on paper")
    one.ctl("import", "interactions", EXAMPLE / "history" / "donations.csv", "--kind", "donation", "--source", "history")
    one.settle(120)
    yield one
    one.stop()
