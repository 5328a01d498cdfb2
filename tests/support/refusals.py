"""How the contract refuses: SQLSTATE and message of a failed call. Knows no function by name."""

import psycopg

BAD_FACT = "HB001"
UNKNOWN_REF = "HB002"
FOREIGN_TENANT = "HB003"
NOT_AVAILABLE = "HB004"


def refusal(portal, function, *arguments):
    """(SQLSTATE, message) of a call that must fail."""
    try:
        outcome = portal.call(function, *arguments)
    except psycopg.Error as error:
        return error.sqlstate, error.diag.message_primary
    raise AssertionError(f"{function} was not refused: {outcome!r}")
