// Draws /openapi.json: every route with its bodies, its answers and a form that sends it.
import { addressOf } from "./dom.js";

const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

const pretty = (value) => JSON.stringify(value, null, 2);

let api;

const resolve = (schema) =>
  schema?.$ref ? resolve(api.components.schemas[schema.$ref.split("/").pop()]) : schema;

/** A value of the schema: its own example where it has one, else one made of its parts. */
function example(schema, depth = 0) {
  const found = resolve(schema);
  if (!found || depth > 6) return null;
  if (found.examples?.length) return found.examples[0];
  if ("default" in found) return found.default;
  if (found.const !== undefined) return found.const;
  if (found.enum) return found.enum[0];
  if (found.anyOf) return example(found.anyOf[0], depth + 1);
  if (found.properties) {
    return Object.fromEntries(
      Object.entries(found.properties).map(([name, part]) => [name, example(part, depth + 1)]),
    );
  }
  return { string: "text", number: 0.5, integer: 1, boolean: true, array: [example(found.items, depth + 1)], object: {} }[found.type] ?? null;
}

const exampleOf = (content) =>
  content.example ?? Object.values(content.examples ?? {})[0]?.value ?? example(content.schema);

const isFile = (schema) => resolve(schema)?.format === "binary";

/** The form that sends an operation and shows what came back. */
function tryIt(path, method, operation) {
  const form = element("form");
  const parameters = (operation.parameters ?? []).map((parameter) => {
    const id = `${operation.operationId}-${parameter.name}`;
    const input = element("input", { type: "text", id, "data-name": parameter.name, "data-in": parameter.in });
    if (parameter.required) input.required = true;
    form.append(element("label", { for: id }, [parameter.name, parameter.description].filter(Boolean).join(": ")), input);
    return input;
  });
  const content = operation.requestBody?.content ?? {};
  const kinds = Object.keys(content);
  let kind, area, file;
  if (kinds.length) {
    const kindId = `${operation.operationId}-type`;
    kind = element("select", { id: kindId }, ...kinds.map((name) => element("option", {}, name)));
    form.append(element("label", { for: kindId }, "body sent as"), kind);
    const bodyId = `${operation.operationId}-body`;
    const label = element("label", { for: bodyId }, "body");
    area = element("textarea", { id: bodyId, spellcheck: "false" });
    file = element("input", { id: bodyId, type: "file" });
    form.append(label);
    const show = () => {
      const chosen = content[kind.value];
      const asFile = isFile(chosen.schema) || kind.value === "multipart/form-data";
      (asFile ? area : file).remove();
      label.after(asFile ? file : area);
      if (!asFile) {
        const value = exampleOf(chosen);
        area.value = typeof value === "string" ? value : pretty(value);
      }
    };
    kind.addEventListener("change", show);
    show();
  }
  const output = element("pre", { tabindex: "0", "aria-live": "polite", hidden: "" });
  form.append(element("button", {}, "Send"), output);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    let url = path;
    const query = new URLSearchParams();
    for (const input of parameters) {
      if (input.dataset.in === "path") url = url.replace(`{${input.dataset.name}}`, encodeURIComponent(input.value));
      else if (input.dataset.in === "query" && input.value) query.set(input.dataset.name, input.value);
    }
    if (query.size) url += `?${query}`;
    const options = { method: method.toUpperCase(), headers: {} };
    for (const input of parameters) {
      if (input.dataset.in === "header" && input.value) options.headers[input.dataset.name] = input.value;
    }
    if (kind) {
      if (kind.value === "multipart/form-data") {
        options.body = new FormData();
        if (file.files[0]) options.body.append("file", file.files[0]);
      } else {
        options.headers["Content-Type"] = kind.value;
        options.body = file.isConnected ? file.files[0] : area.value;
      }
    }
    output.hidden = false;
    output.textContent = "…";
    try {
      const started = performance.now();
      const response = await fetch(addressOf(url.slice(1)), options); // below the address of this page
      const text = await response.text();
      let shown = text;
      if (response.headers.get("content-type")?.includes("json")) shown = pretty(JSON.parse(text));
      output.textContent = `${response.status} ${response.statusText}  ${(performance.now() - started).toFixed(0)} ms\n\n${shown}`;
    } catch (error) {
      output.textContent = `The request could not be sent: ${error.message}`;
    }
  });
  return form;
}

function drawOperation(path, method, operation) {
  const body = element("div");
  if (operation.description) body.append(element("p", {}, operation.description));
  if (operation.requestBody?.description) body.append(element("p", {}, operation.requestBody.description));
  body.append(element("h3", {}, "Try it"), tryIt(path, method, operation), element("h3", {}, "Answers"));
  const list = element("dl", { class: "responses" });
  for (const [status, response] of Object.entries(operation.responses)) {
    const shown = element("dd", {}, response.description);
    const [type, content] = Object.entries(response.content ?? {})[0] ?? [];
    if (type?.includes("json")) {
      shown.append(element("details", {}, element("summary", {}, type), element("pre", { tabindex: "0" }, pretty(exampleOf(content)))));
    }
    list.append(element("dt", {}, status), shown);
  }
  body.append(list);
  return element(
    "details",
    { class: "operation", id: operation.operationId },
    element(
      "summary",
      {},
      element("span", { class: `method ${method}` }, method.toUpperCase()),
      element("span", { class: "path" }, path),
      element("span", { class: "what" }, operation.summary ?? ""),
    ),
    body,
  );
}

const main = document.querySelector("#operations");
try {
  api = await (await fetch(addressOf("openapi.json"))).json();
  document.querySelector("#summary").textContent = api.info.description ?? "";
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, element("section", {}, element("h2", {}, tag)));
      groups.get(tag).append(drawOperation(path, method, operation));
    }
  }
  main.replaceChildren(...groups.values());
} catch (error) {
  main.replaceChildren(element("p", {}, `The OpenAPI document cannot be read: ${error.message}`));
}
main.removeAttribute("aria-busy");
