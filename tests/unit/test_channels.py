"""The agreed limits of each channel. A new channel adds a row."""

from datetime import timedelta

import pytest

from idp.adapters.channels import CHANNELS

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
LIMITS = {  # idle, absolute, the ceiling, whether services share the session
    "web": (15 * MINUTE, 12 * HOUR, "urn:yitong:ial4:aal3", True),
    "mobile": (30 * DAY, 30 * DAY, "urn:yitong:ial4:aal3", False),
    "hall": (5 * MINUTE, 10 * MINUTE, "urn:yitong:ial4:aal3", False),
    "kiosk": (MINUTE, 10 * MINUTE, "urn:yitong:ial3:aal2", False),
    "hotline": (30 * MINUTE, 30 * MINUTE, "urn:yitong:ial4:aal2", False),
}


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name)
def test_a_channel_has_the_agreed_limits(channel):
    """Lifetimes, ceiling and single sign-on are the values agreed for the channel."""
    held = (channel.lifetimes.idle, channel.lifetimes.absolute, str(channel.ceiling), channel.shares_session)
    assert held == LIMITS[channel.name]


def test_only_the_browser_at_home_shares_its_session():
    """At every other channel another person uses the same machine next."""
    assert [channel.name for channel in CHANNELS if channel.shares_session] == ["web"]
