import pytest

from tests.report.made_up_run import make_run


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path)


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory):
    """Made once; for tests that change nothing."""
    return make_run(tmp_path_factory.mktemp("run"))
