import pytest
from made_up_run import make_run


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path)
