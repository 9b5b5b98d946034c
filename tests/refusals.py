"""What a user is told of a configuration."""

from pipeline.settings import UserError, load


def refusal(config):
    """None where it is taken."""
    try:
        load(config)
    except UserError as error:
        return str(error)
    return None
