// Says what a kind of problem means.

import { $, ask } from "./dom.js";

try {
  const kind = await ask(location.pathname, { headers: { Accept: "application/json" } });
  $("#title").textContent = document.title = kind.title;
  $("#status").textContent = `Answered with the HTTP status ${kind.status}.`;
  $("#advice").textContent = kind.advice;
} catch (error) {
  $("#title").textContent = error.body?.title ?? "This problem cannot be looked up";
  $("#advice").textContent = error.message;
}
