"""The errors of test clocks. Status, title, cause and fix stand in ``spec/errors.yaml``, as for all others."""

from penstock.errors import ApiError


class NotInProduction(ApiError):
    """The operation is for test environments alone."""

    code = "not_in_production"
    default_message = "This is for test environments alone."


class ClockExists(ApiError):
    """The environment has a test clock already."""

    code = "clock_exists"
    default_message = "The environment has a test clock already."


class ClockAdvancing(ApiError):
    """The test clock is being moved."""

    code = "clock_advancing"
    default_message = "The test clock is being moved."
