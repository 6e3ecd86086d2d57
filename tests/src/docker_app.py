"""Says which site it is: /, /download.txt (20 MiB), and over WebSockets."""

import base64
import hashlib
import http.server
import os
import signal

SITE = int(os.environ["SITE"])
PAGE = f"<!doctype html><title>site</title><p>this is site {SITE}, whole\n".encode()
DOWNLOAD = f"{SITE:>15}\n".encode() * (20 * 1024 * 1024 // 16)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # As servers do: else each answer on a kept connection waits 40 ms for the other side to acknowledge its head.
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.converse()
            return
        body = DOWNLOAD if self.path == "/download.txt" else PAGE
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def converse(self):
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        self.close_connection = True
        while True:
            head = self.rfile.read(2)
            if len(head) < 2 or head[0] != 0x81:
                return
            self.rfile.read(4 + (head[1] & 127))
            self.wfile.write(bytes([0x81, len(PAGE)]) + PAGE)
            self.wfile.flush()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
Server(("", 8080), Handler).serve_forever()
