// npm run soak [-- --minutes 10 --seed 7 --as root|cached|user --clients 6 --faults kill-server,full]: see README.md.
import { join } from "node:path";
import { argv, stdout } from "node:process";
import { parseOptions } from "./options.ts";
import { Soak } from "./soak.ts";
import { summary } from "./summary.ts";

const options = parseOptions(argv.slice(2));
const say = (line: string): void => void stdout.write(`${line}\n`);
say(`soak --seed ${options.seed} --as ${options.as} --minutes ${options.minutes} --clients ${options.clients}`);
const figures = await new Soak(options, join(import.meta.dirname, "../../.."), say).run();
say(summary(options, figures));
