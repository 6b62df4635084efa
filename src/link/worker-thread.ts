// Entry point of a lane's thread.
import { parentPort } from "node:worker_threads";
import { runJob, type Job } from "./jobs.ts";

parentPort?.on("message", ({ id, job }: { id: number; job: Job }) => {
  try {
    parentPort?.postMessage({ id, result: runJob(job) });
  } catch (error) {
    parentPort?.postMessage({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
