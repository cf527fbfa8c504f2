"""Phones that all come back at once: the gateway was killed, each opens a connection and waits again with its Ping.

They run in processes of their own (Python's part of a TLS handshake is no less work than the server's), all at the same time in
each, and try again at once where nobody listens yet; one that is put off waits for as long as it is told.
"""
import asyncio
import multiprocessing
import os
import signal
import time
import urllib.request

CLIENTS = 2         # processes; the machine has to serve them beside the pod
AGAIN_S = 0.2       # after a connection that was refused or broken
LIMIT_S = 300


def waiting(pod):
    """How many devices wait, as the gateway counts them."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{pod.port('metrics')}/metrics", timeout=60) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith("podmail_imapd_eas_waiting "):
                    return int(float(line.split()[1]))
    except OSError:
        pass
    return 0


def as_bytes(phone, seconds):
    """The Ping as it goes over the wire."""
    method, target, body, headers = phone.ping_request(seconds)
    lines = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{phone.pod.port('https')}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def one(port, context, request, counts):
    """Until its Ping is under way and stays so; the last lines of it wait for ever."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="127.0.0.1",
                                                           ssl_handshake_timeout=LIMIT_S)
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
        except (OSError, asyncio.IncompleteReadError):
            counts["broken"] += 1
            await asyncio.sleep(AGAIN_S)
            continue
        status = int(head.split(b" ", 2)[1])
        counts[status] = counts.get(status, 0) + 1
        if status == 200:
            return
        writer.close()
        again = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"retry-after:")]
        await asyncio.sleep(again[0] if again else AGAIN_S)


async def all_of(port, context, requests, counts, stop):
    tasks = [asyncio.create_task(one(port, context, r, counts)) for r in requests]
    await asyncio.get_running_loop().run_in_executor(None, stop.wait)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def client(port, context, requests, go, stop, told):
    counts = {"broken": 0}
    go.wait()
    asyncio.run(all_of(port, context, requests, counts, stop))
    told.put(counts)


def storm(pod, phones, kill, seconds=3540):
    """Kills the gateway under phones that wait; seconds until all wait again, and what they met with on the way."""
    requests = [as_bytes(p, seconds) for p in phones]
    for phone in phones:
        phone.line.close()
    go, stop, told = multiprocessing.Event(), multiprocessing.Event(), multiprocessing.Queue()
    clients = [multiprocessing.Process(target=client, args=(pod.port("https"), pod.tls_context(), requests[i::CLIENTS], go, stop,
                                                            told), daemon=True) for i in range(CLIENTS)]
    for c in clients:
        c.start()
    started = time.monotonic()
    for pid in kill:
        os.kill(pid, signal.SIGKILL)
    go.set()
    while waiting(pod) < len(phones):
        if time.monotonic() - started > LIMIT_S:
            raise AssertionError(f"after {LIMIT_S} s only {waiting(pod)} of {len(phones)} wait again")
        time.sleep(0.1)
    took = time.monotonic() - started
    stop.set()
    met = {}
    for counts in (told.get() for _ in clients):
        for what, n in counts.items():
            met[what] = met.get(what, 0) + n
    for c in clients:
        c.join()
    return took, met
