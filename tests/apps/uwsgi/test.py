"""The application behind uWSGI: a greeting, what a request's content hashes to, and a WebSocket echo."""

import hashlib
import os

import uwsgi


def application(env, start_response):
    path = env["PATH_INFO"]
    if path == "/ws":
        return echo(env)
    if path == "/upload":
        return reply(start_response, digest(env))
    if path == "/env":
        names = ("REQUEST_METHOD", "QUERY_STRING", "REQUEST_URI", "SERVER_PROTOCOL", "CONTENT_TYPE", "HTTP_X_TEST")
        return reply(start_response, "".join(f"{name}={env.get(name, '')}\n" for name in names))
    return reply(start_response, f"hello world\n{os.getpid()}\n")


def reply(start_response, text):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]


def digest(env):
    content, total, left = hashlib.sha256(), 0, int(env.get("CONTENT_LENGTH") or 0)
    while left > 0:
        part = env["wsgi.input"].read(min(left, 1 << 20))
        if not part:
            break
        content.update(part)
        total += len(part)
        left -= len(part)
    return f"{env['REQUEST_METHOD']} {total} {content.hexdigest()}\n"


def echo(env):
    uwsgi.websocket_handshake(env["HTTP_SEC_WEBSOCKET_KEY"], env.get("HTTP_ORIGIN", ""))
    while True:
        try:
            message = uwsgi.websocket_recv()
        except OSError:
            return []
        if message.startswith(b"\0"):
            uwsgi.websocket_send_binary(message)
        else:
            uwsgi.websocket_send(message)
