"use strict";
// Choices of a person become a correction table to download, and the command that writes the same.
const content = JSON.parse(document.getElementById("content").textContent);
const storage = "tunesmith-doctor-" + content.dataset + "-" + content.version;
const choices = new Map();

function load() {
  try {
    for (const [number, choice] of JSON.parse(localStorage.getItem(storage) || "[]")) {
      const button = document.querySelector(
        `input[name="choice-${Number(number)}"][value="${choice === "accept" ? "accept" : "refuse"}"]`);
      if (button) { button.checked = true; choices.set(Number(number), button.value); }
    }
  } catch { /* The browser keeps nothing, or what it kept is damaged: begin anew. */ }
}

function keep() {
  try { localStorage.setItem(storage, JSON.stringify([...choices])); } catch { /* as above */ }
}

function accepted() {
  return [...choices].filter(([, choice]) => choice === "accept").map(([number]) => number)
    .sort((a, b) => a - b);
}

function cell(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function table() {
  const rows = new Map(content.earlier.map((row) => [row[0], row]));
  for (const number of accepted()) {
    for (const row of content.corrections[number]) {
      const before = rows.has(row[0]) ? rows.get(row[0])[1] : row[1];
      rows.set(row[0], [row[0], before, row[2], row[3]]);
    }
  }
  return [content.columns, ...rows.values()].map((row) => row.map(cell).join(",") + "\n").join("");
}

function show() {
  const numbers = accepted();
  const refused = choices.size - numbers.length;
  const open = content.count - choices.size;
  document.getElementById("tally").textContent =
    `${numbers.length} accepted, ${refused} refused, ${open} open`;
  document.getElementById("download").disabled = numbers.length === 0;
  document.getElementById("command").textContent = numbers.length
    ? `tunesmith datasets doctor ${content.dataset} --accept ${numbers.join(",")}` : "";
  for (const article of document.querySelectorAll("article[data-number]")) {
    article.dataset.choice = choices.get(Number(article.dataset.number)) || "";
  }
}

document.addEventListener("change", (event) => {
  const number = Number(event.target.name?.replace("choice-", ""));
  if (!Number.isInteger(number) || number < 1) return;
  choices.set(number, event.target.value);
  keep();
  show();
});

document.addEventListener("click", (event) => {
  const number = Number(event.target.closest("[data-clear]")?.dataset.clear);
  if (!number) return;
  choices.delete(number);
  for (const button of document.getElementsByName(`choice-${number}`)) button.checked = false;
  keep();
  show();
});

document.getElementById("download").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv" }));
  link.download = `${content.dataset}-corrections.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
});

document.documentElement.classList.add("scripted");
load();
show();
