// The cases on the kernel engine as an ordinary user runs it, in both cache modes, and as root runs it for everybody.
import { posixSuite } from "./suite.ts";

const NOBODY = 65_534;

posixSuite({ target: "kernel-shared", engine: "kernel", cache: "shared", uid: NOBODY });
// Few descriptors: what is open beyond 1,024 files has to be found again.
posixSuite({ target: "kernel-exclusive", engine: "kernel", cache: "exclusive", uid: NOBODY, nofile: 8_192 });
posixSuite({ target: "kernel-root-shared", engine: "kernel", cache: "shared", allowOther: true });
posixSuite({ target: "kernel-root-exclusive", engine: "kernel", cache: "exclusive", allowOther: true });
// As on kernels before 6.9.
posixSuite({ target: "kernel-root-writeback", engine: "kernel", cache: "exclusive", allowOther: true, passthrough: false });
