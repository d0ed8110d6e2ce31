"""Runs in a guest for the whole of a soak: changes memory and files all the time, and knows what both must hold.

Arguments: its number, the directory of its files, the seed. It is asked through the FIFO `ask.NUMBER` of that directory
with lines `EPOCH PAGES`: it verifies every byte, grows its memory to that many pages, takes the epoch over, and answers
into the FIFO `answer.NUMBER` with one line: `ok OLD_EPOCH CHANGES PAGES ZEROED FILES BYTES`, or `lost REASON`.
"""
import errno, mmap, os, random, select, struct, sys

NUMBER, DIR, SEED = sys.argv[1], sys.argv[2], int(sys.argv[3])
PAGE = 4096
MOST_PAGES = 32768
FILES = 24
MADV_DONTNEED = 4

chance = random.Random(SEED)
memory = mmap.mmap(-1, MOST_PAGES * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
view = memoryview(memory)
zero = bytes(PAGE)
# What each page holds: 0 = zeroes, else the number that its pattern is made of.
pages = []
# What each file holds: (number that its content is made of, length), and in which directory it is now.
files = {}
changes = 0
epoch = 0


def pattern(number, length):
    """Bytes that no other number gives: each 8 of them hold the number."""
    return struct.pack("<Q", number * 2654435761 + 1) * (length // 8)


def change_memory():
    global changes
    for _ in range(8):
        if not pages:
            return
        index = chance.randrange(len(pages))
        changes += 1
        start = index * PAGE
        kind = chance.random()
        if kind < 0.70:
            pages[index] = changes
            view[start : start + PAGE] = pattern(changes, PAGE)
        elif kind < 0.85:
            pages[index] = 0
            view[start : start + PAGE] = zero
        else:
            # Given back to the kernel: it has to read as zeroes wherever its page frame went meanwhile.
            pages[index] = 0
            memory.madvise(MADV_DONTNEED, start, PAGE)


def change_file():
    global changes
    changes += 1
    name = f"{NUMBER}.{chance.randrange(FILES)}"
    path = os.path.join(DIR, name)
    kind = chance.random()
    if kind < 0.1:
        if name in files:
            os.unlink(path)
            del files[name]
        return
    length = 8 * chance.randrange(1, 8192)
    # Zeroes too: on a disk they may become a hole.
    content = bytes(length) if kind < 0.25 else pattern(changes, length)
    with open(path if kind < 0.6 else path + ".new", "wb") as file:
        file.write(content)
        if kind > 0.8:
            file.flush()
            os.fsync(file.fileno())
    if kind >= 0.6:
        os.rename(path + ".new", path)
    files[name] = (0 if kind < 0.25 else changes, length)


def lost_page():
    for index, number in enumerate(pages):
        found = view[index * PAGE : (index + 1) * PAGE]
        if found != (zero if number == 0 else pattern(number, PAGE)):
            return f"page {index} of worker {NUMBER}: not of change {number} but {bytes(found[:16]).hex()}"


def lost_file(source):
    names = sorted(name for name in os.listdir(DIR) if name.startswith(NUMBER + "."))
    if names != sorted(files):
        return f"files of worker {NUMBER} ({source}): {names} instead of {sorted(files)}"
    for name, (number, length) in files.items():
        with open(os.path.join(DIR, name), "rb") as file:
            found = file.read()
        if found != (bytes(length) if number == 0 else pattern(number, length)):
            return f"file {name} ({source}): {len(found)} bytes {found[:16].hex()}, not {length} of change {number}"


def lost():
    reason = lost_page() or lost_file("cached")
    if reason:
        return reason
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as drop:
        drop.write("3")
    return lost_file("disk")


def answer(line):
    global epoch, changes
    next_epoch, count = line.split()
    reason = lost()
    if reason:
        text = "lost " + reason
    else:
        zeroed = pages.count(0)
        bytes_of_files = sum(length for _, length in files.values())
        text = f"ok {epoch} {changes} {len(pages)} {zeroed} {len(files)} {bytes_of_files}"
        epoch = int(next_epoch)
        while len(pages) < min(int(count), MOST_PAGES):
            changes += 1
            start = len(pages) * PAGE
            pages.append(changes)
            view[start : start + PAGE] = pattern(changes, PAGE)
    try:
        out = os.open(os.path.join(DIR, f"answer.{NUMBER}"), os.O_WRONLY | os.O_NONBLOCK)
        os.write(out, (text + "\n").encode())
        os.close(out)
    except OSError as error:
        # Who asked has gone: its exec ended with the host agent.
        if error.errno not in (errno.ENXIO, errno.EPIPE):
            raise


os.mkfifo(os.path.join(DIR, f"answer.{NUMBER}"))
ask_path = os.path.join(DIR, f"ask.{NUMBER}")
os.mkfifo(ask_path)
ask = os.open(ask_path, os.O_RDWR)
pending = b""
while True:
    # Never idle for long, and never in the way of who asks.
    ready, _, _ = select.select([ask], [], [], 0.01)
    if ready:
        pending += os.read(ask, 4096)
        while b"\n" in pending:
            line, _, pending = pending.partition(b"\n")
            answer(line.decode())
    else:
        change_memory()
        if chance.random() < 0.1:
            change_file()
