from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import example, given
from hypothesis import strategies as st

from idp.oidc.tokens.keys import concatenated

HIGHEST = 2**256 - 1
numbers = st.one_of(st.integers(1, HIGHEST), st.integers(1, 2**64))


@given(numbers, numbers)
@example(1, HIGHEST)
@example(2**255, 2**255 - 1)
@example(HIGHEST, 1)
def test_r_and_s_keep_their_values_at_every_length(r, s):
    """Short numbers are padded and long ones lose only DER's sign byte: the library writes the same 64 bytes."""
    assert concatenated(encode_dss_signature(r, s)) == r.to_bytes(32, "big") + s.to_bytes(32, "big")
