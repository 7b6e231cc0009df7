"""What a failing test shows of its instances: a conftest.py takes this hook over by importing it."""
import pytest

from lazo_test import Instance


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for one in Instance.running:
            report.sections.append((f"instance {one.home}", one.diagnostics()))
