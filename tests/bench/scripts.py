"""The smallest scripts that llmwrap is measured against, as program texts."""

SMALLEST = """
import sys, json, requests
body = {"model": sys.argv[2], "messages": [{"role": "user", "content": "hi"}]}
with requests.post(sys.argv[1] + "/api/chat", json=body, stream=True) as reply:
    for line in reply.iter_lines():
        sys.stdout.write(json.loads(line)["message"]["content"])
        sys.stdout.flush()
"""
"""One question with requests, the answer written as it comes."""

READER = """
import sys, json, requests
is_sse = sys.argv[1].endswith("/v1")
path = "/chat/completions" if is_sse else "/api/chat"
body = {"model": sys.argv[2], "stream": True}
body["messages"] = [{"role": "user", "content": "hi"}]
with requests.post(sys.argv[1] + path, json=body, stream=True) as reply:
    tail = b""
    for piece in reply.raw.stream(65536):
        *lines, tail = (tail + piece).split(b"\\n")
        if is_sse:
            lines = [line[6:] for line in lines if line[:7] == b"data: {"]
        found = json.loads(b"[" + b",".join(filter(None, lines)) + b"]")
        if is_sse:
            texts = [c["choices"][0]["delta"].get("content") or ""
                     for c in found if c["choices"]]
        else:
            texts = [c["message"]["content"] for c in found]
        sys.stdout.write("".join(texts))
"""
"""A reader that takes what the socket has and decodes many lines at a time."""

STREAMS = """
import os, sys, time, threading
from llmwrap import Config, LLMWrapper
address, count, tokens, gap_ms = sys.argv[1], *map(int, sys.argv[2:5])
environ = {"HOME": os.environ["HOME"], "OLLAMA_HOST": address,
           "LLMWRAP_CACHE_ENABLED": "false"}
config = Config.load("/dev/null", environ)
streaming = config.streaming._replace(max_concurrent_streams=count)
wrapper = LLMWrapper(config._replace(streaming=streaming), environ=environ)
model = f"ollama/mock:n={tokens},itl={gap_ms}"
wrapper.chat("warm", "ollama/mock:n=1")
started = time.perf_counter()
def read(answer):
    for chunk in answer:
        pass
threads = [threading.Thread(target=read, args=[wrapper.chat_stream("hi", model)])
           for _ in range(count)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(time.perf_counter() - started)
"""
"""Many streams at once through the library; prints the wall time in seconds."""

RENDER = """
import json, statistics, sys, time
import pystache
from llmwrap import Config
from llmwrap.prompting.templates import open_library
environ = {"HOME": "/nonexistent"}
library = open_library(Config.load("/dev/null", environ), environ)
variables = {"name": "Alice", "urgent": True, "message": "Please review the code",
             "tasks": ["Review PR", "Run tests", "Deploy", "Sleep"]}
ours = library.prepared("greeting")
parsed = pystache.parse(library.get("greeting").template.content)
theirs = pystache.Renderer(escape=lambda text: text)
assert ours.render(variables) == theirs.render(parsed, variables)
def seconds(render):
    started = time.perf_counter()
    for _ in range(500):
        render()
    return time.perf_counter() - started
found = []
for _ in range(int(sys.argv[1]) + 1):
    one = seconds(lambda: ours.render(variables))
    two = seconds(lambda: theirs.render(parsed, variables))
    found.append(one / two)
found = found[1:]
print(json.dumps([statistics.median(found), min(found), max(found), len(found)]))
"""
"""The greeting with four tasks over pystache with a parsed template; prints ratios."""

BARE_LOOP = """
import json, sys, threading, time, requests
address, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
session = requests.Session()
session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=count))
body = {"model": "mock:n=1", "messages": [{"role": "user", "content": "hi"}]}
until = time.monotonic() + seconds
done = [0] * count
def ask(number):
    while time.monotonic() < until:
        with session.post(address + "/api/chat", json=body, stream=True) as reply:
            for line in reply.iter_lines():
                json.loads(line)
        done[number] += 1
threads = [threading.Thread(target=ask, args=[number]) for number in range(count)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sum(done) / seconds)
"""
"""A load generator of a few lines; prints requests per second."""

LOOKUPS = """
import os, random, statistics, sys, time
from llmwrap import Config
from llmwrap.cache.response_cache import ResponseCache
from llmwrap.log import SILENT
root, count = sys.argv[1], int(sys.argv[2])
config = Config.load(os.devnull, {"HOME": "/"}).cache._replace(path=root)
def timed(cache, keys):
    found = []
    for key in keys:
        started = time.perf_counter()
        entry = cache.get(key)
        found.append(1e6 * (time.perf_counter() - started))
        assert entry, key
    return sorted(found)
disk = ResponseCache(config._replace(ttl_s=None), SILENT, has_memory=False)
keys = [one.key for one in disk.entries()]
few = random.sample(keys, 500)
memory = ResponseCache(config._replace(ttl_s=None), SILENT, has_memory=True)
timed(memory, few)
print(statistics.median(timed(memory, few * 20)))
of_disk = timed(disk, random.sample(keys, count))
print(statistics.median(of_disk), of_disk[len(of_disk) * 99 // 100])
"""
"""Lookups in a running process; prints their median in memory, and median and p99 on
disk, in microseconds."""

STORE = """
import sys, time
from llmwrap.cache.store import Store
root, is_synced, key = sys.argv[1], sys.argv[2] == "full", bytes.fromhex(sys.argv[3])
store = Store(root, max_bytes=1 << 30, is_synced=is_synced)
if len(sys.argv) > 4:
    stored = b"\\1\\1" + time.time_ns().to_bytes(8, "little")
    store.put(key, stored + (1024).to_bytes(4, "little") + bytes(1024))
else:
    assert store.get(key)
"""
"""One get, or with a fourth word one put, through our store."""

SQLITE = """
import sqlite3, sys, time
path, synchronous, key = sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3])
db = sqlite3.connect(path, isolation_level=None)
db.execute(f"PRAGMA synchronous = {synchronous}")
if len(sys.argv) > 4:
    row = (key, time.time_ns(), bytes(1024))
    db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", row)
else:
    find = "SELECT stored_ns, payload FROM answers WHERE key = ?"
    assert db.execute(find, (key,)).fetchone()
db.close()
"""
"""The same through a database in WAL mode."""

STRUCTURED = """
import os, sys, time, threading
from llmwrap import Config, LLMWrapper
address, count, answers, schema = sys.argv[1], *map(int, sys.argv[2:4]), sys.argv[4]
environ = {"HOME": os.environ["HOME"], "OLLAMA_HOST": address,
           "LLMWRAP_CACHE_ENABLED": "false"}
config = Config.load("/dev/null", environ)
streaming = config.streaming._replace(max_concurrent_streams=count)
wrapper = LLMWrapper(config._replace(streaming=streaming), environ=environ)
model = "ollama/mock:n=30,itl=5,bytes=7,json=1"
wrapper.chat("warm", model, schema=schema or None)
started = time.perf_counter()
def read():
    for _ in range(answers // count):
        wrapper.chat("hi", model, schema=schema or None)
threads = [threading.Thread(target=read) for _ in range(count)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(time.perf_counter() - started)
"""
"""Many answers of a schema through the library; prints the wall time in seconds."""

LOOP = """
import sys, json, threading, requests
address, model, count, items, output = *sys.argv[1:3], int(sys.argv[3]), *sys.argv[4:]
prompts = iter(open(items).read().splitlines())
lock = threading.Lock()
def ask():
    session = requests.Session()
    while True:
        with lock:
            prompt = next(prompts, None)
        if prompt is None:
            return
        body = {"model": model, "stream": False}
        body["messages"] = [{"role": "user", "content": prompt}]
        reply = session.post(address + "/api/chat", json=body).json()
        line = json.dumps({"prompt": prompt, "text": reply["message"]["content"]})
        with lock:
            file.write(line + "\\n")
with open(output, "w") as file:
    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""
"""A bare loop over lines of a file: threads with a session each, a line an answer."""
