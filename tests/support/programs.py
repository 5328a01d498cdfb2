"""Starts and ends `handbell worker` and `handbell web`, each with a configuration of its own.

Their logs are kept, so that the end of the session can search them for people (conftest.py).
"""

import os
import pathlib
import secrets
import signal
import subprocess
import urllib.request

from tests.support import process, schema

LOGS = []


class Program:
    """One process of Handbell. `word` is its subcommand."""

    def __init__(self, word, folder, database_url, settings=None, key_file=None, binary=None):
        self.word = word
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = self.folder / "state"
        self.state.mkdir(exist_ok=True)
        self.log = self.folder / f"{word}.log"
        LOGS.append(self.log)
        self.config = self.folder / "handbell.conf"
        self.binary = binary or schema.binary()
        self.process = None
        self.settings = {
            "database": {"url": database_url},
            "worker": {"state_dir": str(self.state)},
            "templates": {"dir": str(process.ROOT / "templates")},
            "security": {"key_file": str(key_file or make_key(self.folder / "key"))},
        }
        for section, keys in (settings or {}).items():
            self.settings.setdefault(section, {}).update(keys)
        self.write_config()

    def write_config(self):
        lines = []
        for section, keys in self.settings.items():
            lines.append(f"[{section}]")
            lines += [f"{key} = {value}" for key, value in keys.items()]
        self.config.write_text("\n".join(lines) + "\n")

    def start(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HANDBELL_")}
        self.process = process.start(
            [self.binary, self.word, "--config", self.config], self.log, env=environment
        )
        return self

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, timeout_s=15.0):
        """SIGTERM; returns the exit status."""
        status = process.stop(self.process, timeout_s)
        self.process = None
        return status

    def kill(self):
        """kill -9"""
        if self.process is not None:
            process.stop(self.process, 5, signal.SIGKILL)
            self.process = None

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def check_running(self):
        if not self.is_running():
            status = getattr(self.process, "returncode", None)
            raise AssertionError(f"handbell {self.word} ended ({status}):\n{self.log_text()[-2000:]}")
        return True


def make_key(path):
    """A signing key file as the settings want it: 32 random bytes in hex, for our eyes only."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32) + "\n")
    return path


class Programs:
    """All processes of one test: one signing key, one database; ended together."""

    def __init__(self, folder, cluster, database):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cluster = cluster
        self.database = database
        self.key_file = make_key(self.folder / "key")
        self.all = []

    def make(self, word, login, settings, name=None):
        program = Program(
            word,
            self.folder / (name or f"{word}{len(self.all)}"),
            self.cluster.url(self.database, login),
            settings,
            self.key_file,
        )
        self.all.append(program)
        return program

    def start_worker(self, smtp_url, settings=None, name=None):
        """A worker that sends to smtp_url (no TLS: loopback)."""
        merged = {"smtp": {"url": smtp_url}}
        for section, keys in (settings or {}).items():
            merged.setdefault(section, {}).update(keys)
        return self.make("worker", schema.WORKER, merged, name).start()

    def start_web(self, port=0, settings=None):
        """A web process, listening: (program, its base url)."""
        port = process.free_port(port)
        merged = {"web": {"listen": f"127.0.0.1:{port}"}, **(settings or {})}
        web = self.make("web", schema.WEB, merged).start()
        process.wait_until(
            lambda: web.check_running() and process.is_listening(port), 20, "handbell web listens"
        )
        return web, f"http://127.0.0.1:{port}"

    def run(self, *arguments, login=schema.OWNER, check=True):
        """A subcommand that ends by itself, e.g. run('status', '--json')."""
        environment = {
            **os.environ,
            "HANDBELL_DATABASE_URL": self.cluster.url(self.database, login),
            "HANDBELL_SECURITY_KEY_FILE": str(self.key_file),
        }
        result = subprocess.run(
            [schema.binary(), *arguments, "--config", "/dev/null"],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if check and result.returncode != 0:
            raise AssertionError(f"handbell {arguments}: {result.returncode}\n{result.stderr}")
        return result

    def run_with(self, program, *arguments):
        """A subcommand that ends by itself, with the settings of a program that runs."""
        return subprocess.run(
            [program.binary, *arguments, "--config", program.config],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def stop(self):
        for program in self.all:
            program.stop()


def post_one_click(url, timeout_s=10.0):
    """What a mail program sends for List-Unsubscribe-Post (RFC 8058): returns the status."""
    request = urllib.request.Request(
        url,
        data=b"List-Unsubscribe=One-Click",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        answer.read()
        return answer.status
