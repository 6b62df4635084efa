// The cases on the storage itself, as root and as an ordinary user: is what they say true?
import { posixSuite } from "./suite.ts";

const NOBODY = 65_534;

posixSuite({ target: "plain" });
posixSuite({ target: "plain-user", uid: NOBODY });
