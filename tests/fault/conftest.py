"""Fault tests use the same instances as the end-to-end tests; each test has one of its own."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from lazo_report import pytest_runtest_makereport  # noqa: E402, F401
from lazo_test import Instance, Sink  # noqa: E402


@pytest.fixture
def sink():
    s = Sink().start()
    yield s
    s.stop()


@pytest.fixture
def lazo(sink):
    one = Instance(relay=sink.url, env={"LAZO_MAIL_RETRY_FIRST": "1 s"}).start()
    one.api("PATCH", "/v1/organisation", {"mail_from": "hola@casa.example", "postal_address": "Calle 1, Madrid"})
    one.api("PUT", "/v1/topics/news", {})
    one.template("letter", "Carta {{ contact.first_name }}", "{{ organisation.postal_address }} {{ unsubscribe_url }}")
    yield one
    one.stop()
