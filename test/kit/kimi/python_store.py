"""A second user of the Python Kimi CLI's credential store, which follows the same rules as that CLI.

    python_store.py hold LOCKFILE            lock, say "held", keep the lock until standard input ends
    python_store.py try LOCKFILE             try to lock without waiting
    python_store.py rewrite SHAREDIR         print the login as this store would write it
    python_store.py access SHAREDIR HOST     one turn: a token that is good for now, refreshed if need be
    python_store.py force SHAREDIR HOST      one turn after a refused token

A number after HOST shortens the pauses between two tries to lock. `try` and the turns print one JSON
object; a turn that finds the lock taken says so on standard error.
"""

import fcntl
import json
import os
import random
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

CLIENT_ID = "17e5f671-d194-4dfb-9706-5516cb48c098"
LOCK_TRIES = 5


def open_lock(path):
    return os.open(path, os.O_CREAT | os.O_RDWR, 0o600)


def try_lock(descriptor):
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError:
        return False


def wait_for_lock(descriptor, pause):
    """Waits for some seconds; False means that the turn goes on without the lock."""
    for _ in range(LOCK_TRIES):
        if try_lock(descriptor):
            return True
        print("waiting", file=sys.stderr, flush=True)
        time.sleep(pause * (1 + random.random()))
    return try_lock(descriptor)


def credential_file(share):
    return os.path.join(share, "credentials", "kimi-code.json")


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            token = json.load(file)
    except (OSError, ValueError):
        return None
    return token if isinstance(token, dict) else None


def dump(token):
    return json.dumps(token, ensure_ascii=False)


def save(path, token):
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), suffix=".tmp")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(dump(token))
        file.flush()
        os.fsync(file.fileno())
    os.chmod(temporary, 0o600)
    os.replace(temporary, path)


def near_expiry(token):
    lifetime = float(token.get("expires_in") or 0)
    return float(token.get("expires_at") or 0) - time.time() < max(300, lifetime / 2)


def ask_server(host, refresh_token):
    """Sends the refresh grant; None means that the server has rejected the token."""
    fields = {"client_id": CLIENT_ID, "grant_type": "refresh_token", "refresh_token": refresh_token}
    request = urllib.request.Request(
        host.rstrip("/") + "/api/oauth/token",
        data=urllib.parse.urlencode(fields).encode("ascii"),
        headers={"User-Agent": "kimi-code-oauth-test/1"},
    )
    # The stand-in is on this machine; no proxy is asked.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as reply:
            body = json.load(reply)
    except urllib.error.HTTPError as error:
        if error.code in (400, 401, 403):
            return None
        raise
    lifetime = float(body["expires_in"])
    return {
        "access_token": body["access_token"],
        "refresh_token": body["refresh_token"],
        "expires_at": time.time() + lifetime,
        "scope": body["scope"],
        "token_type": body["token_type"],
        "expires_in": lifetime,
    }


def answer(result, token=None, **more):
    return {"result": result, **({"access_token": token["access_token"]} if token else {}), **more}


def refresh(path, host, before, force, pause):
    descriptor = open_lock(os.path.join(os.path.dirname(path), "kimi-code.lock"))
    try:
        locked = wait_for_lock(descriptor, pause)
        now = (load(path) if locked else None) or before
        changed = now["refresh_token"] != before["refresh_token"]
        if changed or not (force or near_expiry(now)):
            return answer("adopted", now, locked=locked)
        issued = ask_server(host, now["refresh_token"])
        if issued is not None:
            save(path, issued)
            return answer("refreshed", issued, locked=locked)
    finally:
        os.close(descriptor)
    time.sleep(1)
    later = load(path)
    if later and later.get("refresh_token") not in (None, "", now["refresh_token"]):
        return answer("adopted", later, locked=locked)
    return answer("rejected", locked=locked)


def turn(share, host, pause="1", *, force):
    path = credential_file(share)
    token = load(path)
    if not token or not token.get("refresh_token"):
        return answer("signed-out")
    if not (force or near_expiry(token)):
        return answer("fresh", token)
    return refresh(path, host, token, force, float(pause))


def main(command, *args):
    if command == "hold":
        descriptor = open_lock(args[0])
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        print("held", flush=True)
        sys.stdin.read()
        os.close(descriptor)
    elif command == "try":
        print(json.dumps(answer("free" if try_lock(open_lock(args[0])) else "busy")))
    elif command == "rewrite":
        print(dump(load(credential_file(args[0]))), end="")
    else:
        print(json.dumps(turn(*args, force=command == "force")))


main(*sys.argv[1:])
