// The cases on the storage itself: is what they say true?
import { posixSuite } from "./suite.ts";

posixSuite({ target: "plain" });
