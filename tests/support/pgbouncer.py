"""Debian's pgbouncer before a private cluster: own port and configuration, one pool mode. Knows
nothing of Handbell."""

import pathlib
import shutil
import tempfile

from tests.support import process

PGBOUNCER = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
MODES = ("session", "transaction", "statement")
SETTINGS = """[databases]
{database} = host={socket} port={server_port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = 20
max_client_conn = 100
"""


class Pgbouncer:
    """One login to one database: `auth_type = any` takes whoever comes as the login of its line."""

    def __init__(self, cluster, mode, database, user):
        # It does not run as root, and the tests' own folders are for their user alone.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hbpool"))
        self.folder.chmod(0o755)
        self.port = process.free_port()
        self.url = f"host=127.0.0.1 port={self.port} dbname={database} user={user}"
        self.log = self.folder / "pgbouncer.log"
        settings = self.folder / "pgbouncer.ini"
        settings.write_text(SETTINGS.format(
            socket=cluster.socket_folder, server_port=cluster.tcp_port or 5432, port=self.port,
            mode=mode, database=database, user=user))  # fmt: skip
        settings.chmod(0o644)
        account = process.unprivileged_user()
        self.process = process.start([PGBOUNCER, settings], self.log, user=account, cwd="/")
        process.wait_until(self._is_up, 10, "pgbouncer listens")

    def _is_up(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"pgbouncer ended at once:\n{self.log.read_text()}")
        return process.is_listening(self.port)

    def stop(self):
        process.stop(self.process)
        shutil.rmtree(self.folder, ignore_errors=True)
