# What all programs of the soak share: the order on the command line (JSON), commands on stdin ("pause", "resume WINDOW", "stop"), JSON lines
# on stdout, and the one way every system call goes: noted in the history, its errno judged.
import json, os, random, select, sys, time, traceback
from system import History, Refused, STARTED, Wrong, name_of

class Process:
    def __init__(self, order):
        self.order = order
        self.name = order["name"]
        self.random = random.Random(order["seed"])
        self.history = History()
        # What the storage called disk does at this time: "" nothing, "EROFS", "ENOSPC"; and what of that the operation in hand may meet.
        self.window, self.refusals = "", ()
        self.operations = self.bytes = self.refused = self.lost = 0
        self.said = 0.0

    # For the programs: one operation; everything closed and compared; a window begins or ends; what they have to say at the end.
    def step(self): ...
    def pause(self): ...
    def resumed(self): ...
    def account(self): return {}

    def say(self, **message):
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()
        self.said = time.monotonic()

    def call(self, text, function, *arguments, allowed=()):
        """Runs a system call. An errno of `allowed` is returned as its name; one of the window ends the operation; any other is wrong."""
        self.history.note(text)
        try:
            return function(*arguments)
        except OSError as error:
            name = name_of(error)
            self.history.add(" " + name)
            if name in allowed:
                return name
            if name in self.refusals:
                raise Refused(name) from error
            raise Wrong(f"{text}: {name}") from error

    def expect(self, true, text):
        if not true:
            raise Wrong(text)

    def lose(self, since, how):
        """An open file without a name ended with its server: allowed after a kill, which whoever listens must know of."""
        self.lost += 1
        self.say(lost=time.time(), since=since, how=how)

    def obey(self, command):
        verb, _, argument = command.partition(" ")
        if verb == "pause":
            self.pause()
            self.say(paused=True)
        elif verb == "resume":
            self.window = argument
            self.resumed()
        return verb

    def run(self):
        self.say(ready=True)
        # So many and no more, without anybody to obey; or until told to stop.
        for _ in range(self.order.get("operations", 0)):
            self.once()
        if "operations" in self.order:
            return
        paused, pending = False, b""
        while True:
            readable, _, _ = select.select([0], [], [], None if paused else 0)
            if readable:
                data = os.read(0, 4096)
                if not data:
                    return
                pending += data
                while b"\n" in pending:
                    line, _, pending = pending.partition(b"\n")
                    verb = self.obey(line.decode())
                    paused = verb == "pause" or (paused and verb != "resume")
                    if verb == "stop":
                        return
                continue
            self.once()
            if time.monotonic() - self.said > 0.5:
                self.say(operations=self.operations)
            # Others live on this machine, too; and a client that thinks gives the server quiet moments.
            if self.random.random() < 0.3:
                time.sleep(self.random.random() * self.order["paceMs"] / 300)

    def once(self):
        try:
            self.refusals = ()
            self.step()
        except Refused:
            self.refused += 1
        self.operations += 1

def main(program):
    process = program(json.loads(sys.argv[1]))
    try:
        process.run()
        process.pause()
        figures = {"operations": process.operations, "bytes": process.bytes, "refused": process.refused, "lost": process.lost}
        process.say(done={"trees": [], "shared": [], "links": [], **figures, **process.account()})
    except Exception as error:
        if not isinstance(error, Wrong):
            traceback.print_exc()
        wrong = str(error) if isinstance(error, Wrong) else f"{type(error).__name__}: {error}"
        process.say(failed={"at": time.time(), "wrong": wrong, "history": list(process.history.lines), "started": STARTED})
        sys.exit(1)
