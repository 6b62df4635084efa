// Entry point of a lane's thread.
import { parentPort } from "node:worker_threads";
import { runJob, type Job } from "./jobs.ts";

parentPort?.on("message", ({ id, job }: { id: number; job: Job }) => {
  runJob(job).then(
    (result) => parentPort?.postMessage({ id, result }),
    (error: unknown) => parentPort?.postMessage({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
