"""The parts of a small Compose project, by the first argument: web, echo, migrate, db and check.

The web one answers only while the database remembers what it was told and the echo is of its own release, so that one
release that reaches into another is seen as an error.
"""

import http.server
import json
import os
import signal
import socket
import socketserver
import sys

SITE = os.environ.get("SITE", "0")


def ask(host, port, line):
    with socket.create_connection((host, port), timeout=5) as connection:
        connection.sendall(line.encode() + b"\n")
        return connection.makefile().readline().strip()


class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        try:
            status, body = self.answer()
        except OSError as error:
            status, body = 500, f"{error}\n"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def answer(self):
        if self.path.startswith("/db/"):
            return 200, ask("db", 6379, self.path[4:].replace("/", " "))
        echo = ask("echo", 7000, "who")
        if echo != SITE:
            return 500, f"the echo of {echo} answers to {SITE}\n"
        if not ask("db", 6379, "GET migrated"):
            return 500, "the database was not prepared\n"
        return 200, f"<!doctype html><title>site</title><p>this is site {SITE}, whole\n"

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512


class Lines(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 512


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        self.wfile.write(SITE.encode() + b"\n")


class Database(socketserver.StreamRequestHandler):
    FILE = "/data/kv.json"

    def handle(self):
        words = self.rfile.readline().decode().split()
        if words[0] == "SET":
            known = {**self.known(), words[1]: words[2]}
            with open(self.FILE + ".new", "w") as file:
                json.dump(known, file)
            os.rename(self.FILE + ".new", self.FILE)
        self.wfile.write(self.known().get(words[1], "").encode() + b"\n")

    def known(self):
        try:
            with open(self.FILE) as file:
                return json.load(file)
        except FileNotFoundError:
            return {}


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
part = sys.argv[1]
if part == "web":
    Server(("", 8080), Web).serve_forever()
elif part == "echo":
    Lines(("", 7000), Echo).serve_forever()
elif part == "db":
    Lines(("", 6379), Database).serve_forever()
elif part == "migrate":
    print("migrated:", ask("db", 6379, f"SET migrated {SITE}"))
elif part == "check":
    ask("localhost", 6379, "GET x")
else:
    sys.exit(f"no part is called {part}")
