// The cases on the kernel engine as an ordinary user runs it, in both cache modes, and as root runs it for everybody.
import { posixSuite } from "./suite.ts";

const NOBODY = 65_534;

posixSuite({ target: "kernel-shared", engine: "kernel", cache: "shared", uid: NOBODY });
posixSuite({ target: "kernel-exclusive", engine: "kernel", cache: "exclusive", uid: NOBODY });
posixSuite({ target: "kernel-root-shared", engine: "kernel", cache: "shared", allowOther: true });
posixSuite({ target: "kernel-root-exclusive", engine: "kernel", cache: "exclusive", allowOther: true });
