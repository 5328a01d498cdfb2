"""Talks to `handbell web` as a mail program, a browser or an attacker would. Knows HTTP's bytes."""

import http.client
import socket
import types

URLENCODED = "application/x-www-form-urlencoded"
BOUNDARY = "----b0undary"
ONE_CLICK = b"List-Unsubscribe=One-Click"
ONE_CLICK_MULTIPART = (
    f"--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\n"
    f"One-Click\r\n--{BOUNDARY}--\r\n"
).encode()
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


def address(url):
    """(host, port) of a base url."""
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)


class Site:
    """One base url. Each call is one request on a connection of its own."""

    def __init__(self, url, host=None):
        self.url = url
        self.host = host

    def ask(self, method, path, body=None, content_type=None, headers=None):
        """.status, .headers (lower case), .body"""
        connection = http.client.HTTPConnection(*address(self.url), timeout=20)
        sent = dict(headers or {})
        if content_type is not None:
            sent["Content-Type"] = content_type
        if self.host is not None:
            sent["Host"] = self.host
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        found = types.SimpleNamespace(
            status=answer.status,
            headers={name.lower(): value for name, value in answer.getheaders()},
            body=answer.read(),
        )
        connection.close()
        return found

    def get(self, token):
        return self.ask("GET", f"/u/{token}")

    def post(self, token, body=ONE_CLICK, content_type=URLENCODED):
        return self.ask("POST", f"/u/{token}", body, content_type)

    def connect(self, source=None):
        """A bare socket, from another loopback address where one is named."""
        return socket.create_connection(
            address(self.url), timeout=20, source_address=(source, 0) if source else None
        )

    def send(self, data, source=None):
        """Sends bytes as they are, and returns what comes back until the server closes."""
        with self.connect(source) as wire:
            wire.sendall(data)
            return read_to_end(wire)


def read_to_end(wire):
    answer = b""
    while True:
        try:
            more = wire.recv(65536)
        except ConnectionResetError:
            return answer
        if not more:
            return answer
        answer += more


def status_of(answer):
    """The status of an answer's bytes; None where nothing came."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else None


def core_of(answer):
    """What an answer tells: status, headers without the clock, body."""
    kept = {name: value for name, value in answer.headers.items() if name != "date"}
    return answer.status, kept, answer.body
