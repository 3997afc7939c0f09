import { place } from "./layout.js";

self.onmessage = ({ data: { number, work } }) => {
  try {
    self.postMessage({ number, result: place(work) });
  } catch (error) {
    self.postMessage({ number, error: String(error) });
  }
};
