"""What a process loads before the first passkey arrives."""

import subprocess
import sys

PROGRAM = "import sys, wsgi; print([name for name in ('webauthn', 'OpenSSL', 'cbor2') if name in sys.modules])"


def test_a_worker_starts_without_the_library_of_passkeys():
    """py_webauthn and what it brings cost 0.2 s and 4 MB, and most workers verify no passkey in their first second."""
    environment = {"YITONG_ENVIRONMENT": "test", "YITONG_DATABASE_URL": "sqlite://", "PATH": ""}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
