# Prints the CPU time in which zlib decompresses and compresses a message, and the ratio of the sizes. Reads the messages.
import json, sys, time, zlib

size, level, rounds, duration = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
takeover = len(sys.argv) > 5
source = sys.stdin.buffer.read()
plain = [source[at : at + size] for at in range(0, len(source), size)]


def compress(c, p):
    return c.compress(p) + c.flush(zlib.Z_SYNC_FLUSH)


def fresh(level):
    return zlib.compressobj(level, zlib.DEFLATED, -15)


# Without context takeover a compressor is copied, because Python cannot reset one.
zero, kept, packed = fresh(level), fresh(level), [compress(fresh(6), p) for p in plain]
best = float("inf")
for _ in range(rounds):
    n = sent = 0
    start = time.process_time()
    while n % len(plain) or time.process_time() - start < duration:
        p = zlib.decompressobj(-15).decompress(packed[n % len(plain)])
        sent += len(compress(kept if takeover else zero.copy(), p)) - 4
        n += 1
    best = min(best, (time.process_time() - start) / n)
print(json.dumps({"Micros": best * 1e6, "Ratio": sent / n / size}))
