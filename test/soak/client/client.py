# One client of the soak: a process that does random operations in subtrees of its own, each checked against an exact model, and some in
# places it shares with the others.
import os, time
from process import Process, main
from system import Wrong, syncfs
from verify import differences
import operations, shared

class Client(Process):
    def __init__(self, order):
        super().__init__(order)
        self.held = []
        self.resumed_at = time.time()
        self.roots = operations.make_roots(order["roots"])
        self.shared = [shared.Shared(self, place) for place in order["shared"]]
        self.choices = [*operations.OPERATIONS, *shared.OPERATIONS]

    def step(self):
        (function, _), = self.random.choices(self.choices, weights=[weight for _, weight in self.choices])
        function(self)

    def pause(self):
        operations.let_go_of_all(self)
        for place in self.shared:
            place.close()
        for root in self.roots:
            self.history.note(f"walk {root.top.path!r}")
            for line in differences(root.top.path, root.top.describe()):
                raise Wrong(line)
            operations.use(self, root)
            # What a client had not yet written to a file without a name may have ended with a server.
            result = self.call("syncfs", syncfs, root.top.path, allowed=[*self.refusals, *(["ESTALE", "EIO"] if root.writeback else [])])
            if result is not None and result not in self.refusals:
                self.lose(self.resumed_at, f"syncfs: {result}")

    def resumed(self):
        self.resumed_at = time.time()
        if self.window == "":
            operations.mend(self)

    def account(self):
        return {"trees": [{"path": os.fsdecode(root.top.path), "tree": root.top.describe()} for root in self.roots],
                "shared": [place.account() for place in self.shared]}

main(Client)
