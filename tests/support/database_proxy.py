"""Between Handbell and PostgreSQL: reads the protocol along, and cuts a connection at the call that a
test names, before the server sees it or after it has done it. Knows no statement by itself."""

import select
import socket
import struct
import threading
import time


class Messages:
    """PostgreSQL's messages out of a stream (manual, section 55.7): (type, body). The first of a
    client has no type."""

    def __init__(self, has_start=False):
        self.has_start = has_start
        self.left = b""

    def feed(self, data):
        self.left += data
        found = []
        while True:
            head = 0 if self.has_start else 1
            if len(self.left) < head + 4:
                return found
            (size,) = struct.unpack("!i", self.left[head : head + 4])
            if len(self.left) < head + size:
                return found
            found.append((self.left[:head], self.left[head + 4 : head + size]))
            self.left = self.left[head + size :]
            self.has_start = False


class DatabaseProxy:
    """`host` and `port` are the server's; a `host` that begins with '/' is its socket's folder."""

    def __init__(self, host, port=5432):
        self.server_at = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.statement = None
        self.is_after = True
        self.cuts_left = 0
        self.every = 1
        self.seen = 0  # calls of the statement
        self.is_silent = False  # nothing is passed on in either direction, and nothing is closed
        self.is_refusing = False
        self.pairs = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, database, user):
        """No encryption: the messages are to be read."""
        return (f"host=127.0.0.1 port={self.port} dbname={database} user={user}"
                " sslmode=disable gssencmode=disable")  # fmt: skip

    def cut_at(self, statement, is_after, times=1, every=1):
        """Cuts at each `every`th call of the prepared statement, `times` in all."""
        with self.lock:
            self.statement, self.is_after = statement.encode(), is_after
            self.cuts_left, self.every, self.seen = times, every, 0

    def cut_all(self):
        for pair in list(self.pairs):
            for end in pair:
                _shut(end)

    def close(self):
        self.listener.close()
        self.cut_all()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _connect(self):
        host, port = self.server_at
        if not host.startswith("/"):
            return socket.create_connection((host, port), 5)
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{host}/.s.PGSQL.{port}")
        return server

    def _serve(self, client):
        try:
            if self.is_refusing:
                return
            with self._connect() as server:
                pair = (client, server)
                self.pairs.add(pair)
                try:
                    self._pass(client, server)
                except OSError:
                    pass
                finally:
                    self.pairs.discard(pair)
                    _shut(server)
        except OSError:
            pass
        finally:
            _shut(client)
            client.close()

    def _is_to_be_cut(self, kind, body):
        """A Bind names its portal, then its statement."""
        if kind != b"B" or self.statement is None:
            return False
        with self.lock:
            if body.split(b"\0", 2)[1] != self.statement:
                return False
            self.seen += 1
            if self.cuts_left == 0 or self.seen % self.every != 0:
                return False
            self.cuts_left -= 1
            return True

    def _pass(self, client, server):
        said, answered = Messages(has_start=True), Messages()
        syncs = done = 0  # sent and answered
        until = None  # the answer to this many syncs is kept back; then it is cut
        while until is None or done < until:
            ready, _, _ = select.select([client, server], [], [], 0.2)
            if self.is_silent:
                time.sleep(0.05)
                continue
            for end in ready:
                data = end.recv(65536)
                if not data:
                    return
                if end is server:
                    done += sum(kind == b"Z" for kind, _ in answered.feed(data))
                    if until is None:
                        client.sendall(data)
                    continue
                for kind, body in said.feed(data):
                    if until is None and self._is_to_be_cut(kind, body):
                        if not self.is_after:
                            return
                        until = syncs + 1
                    syncs += kind == b"S"
                server.sendall(data)


def _shut(end):
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
