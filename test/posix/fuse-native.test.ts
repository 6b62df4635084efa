// The cases on the fallback engine, with its known failures.
import { posixSuite } from "./suite.ts";

posixSuite({ target: "fuse-native", engine: "fuse-native", cache: "shared" });
