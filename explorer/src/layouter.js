/* global WORKER_CODE */
import { place } from "./layout.js";

/** Lays graphs out one at a time; of those that wait only the latest is done. */
export class Layouter {
  constructor() {
    this.number = 0;
    this.worker = null;
    this.busy = false;
    this.waiting = null;
    try {
      const url = URL.createObjectURL(new Blob([WORKER_CODE], { type: "text/javascript" }));
      this.worker = new Worker(url);
      this.worker.onmessage = ({ data }) => this.done(data);
      this.worker.onerror = (event) => {
        event.preventDefault();
        this.alone();
      };
      URL.revokeObjectURL(url);
    } catch {
      this.worker = null; // the page does not allow workers
    }
  }

  /** The layout of `work`, or null where a later one has taken its place. */
  run(work) {
    this.waiting?.resolve(null);
    return new Promise((resolve, reject) => {
      this.waiting = { work, resolve, reject };
      this.next();
    });
  }

  next() {
    if (this.busy || !this.waiting) return;
    this.current = this.waiting;
    this.waiting = null;
    if (!this.worker) {
      try {
        this.current.resolve(place(this.current.work));
      } catch (error) {
        this.current.reject(error);
      }
      return;
    }
    this.busy = true;
    this.worker.postMessage({ number: ++this.number, work: this.current.work });
  }

  done({ number, result, error }) {
    if (number !== this.number) return;
    this.busy = false;
    if (error) this.current.reject(new Error(error));
    else this.current.resolve(this.waiting ? null : result);
    this.next();
  }

  /** Go on without a worker. */
  alone() {
    this.worker = null;
    this.busy = false;
    if (this.current && !this.waiting) this.waiting = this.current;
    this.next();
  }

  close() {
    this.worker?.terminate();
  }
}
