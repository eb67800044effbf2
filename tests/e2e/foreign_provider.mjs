// A provider that was not written here: aimock, which speaks the protocols of OpenAI, Azure, OpenRouter, Anthropic and
// Google on one port. Runs in a folder where it is installed; arguments: a file for the port, and the key it takes.
// It ends when its standard input does.
import { renameSync, writeFileSync } from "node:fs";
import { LLMock } from "@copilotkit/aimock";

const [portFile, key] = process.argv.slice(2);
const provider = new LLMock({ port: 0, auth: { apiKeys: [key] }, journalMaxEntries: 0, chunkSize: 4 });
const tries = new Map();

const textOf = (content) =>
  typeof content === "string" ? content : (content ?? []).map((part) => part.text ?? "").join("");
const said = (request, role) =>
  request.messages.filter((message) => message.role === role).map((message) => textOf(message.content));
const isClaude = (request) => request.model.startsWith("claude");
const isGemini = (request) => request.model.startsWith("gemini");

/** An error in the words of the model's vendor. */
function failure(request, status, message) {
  const words = {
    400: { type: isGemini(request) ? "INVALID_ARGUMENT" : "invalid_request_error" },
    429: isClaude(request) ? { type: "rate_limit_error" }
      : isGemini(request) ? { type: "RESOURCE_EXHAUSTED" }
      : { type: "requests", code: "rate_limit_exceeded" },
    500: { type: isClaude(request) ? "api_error" : isGemini(request) ? "INTERNAL" : "server_error" },
  };
  return { status, retryAfter: 2, error: { message, ...words[status] } };
}

/** A sum, with a usage that tells which question it was. Two questions fail at first. */
function sum(request) {
  const n = Number(/What is (\d+) plus/.exec(said(request, "user").at(-1))[1]);
  const place = `${request.model} ${n}`;
  tries.set(place, (tries.get(place) ?? 0) + 1);
  if (tries.get(place) === 1 && n === 2) return failure(request, 429, "too many questions");
  if (tries.get(place) === 1 && n === 3) return failure(request, 500, "the model fell over");
  return {
    content: `It is ${2 * n}.`,
    usage: { prompt_tokens: 100 + n, completion_tokens: 10 + n,
             prompt_tokens_details: { cached_tokens: 5 }, completion_tokens_details: { reasoning_tokens: 3 } },
  };
}

/** What arrived, so that the caller can compare it with what it sent. */
const echo = (request) => ({
  content: JSON.stringify({ system: said(request, "system"), user: said(request, "user"),
                            assistant: said(request, "assistant") }),
  usage: { prompt_tokens: 31, completion_tokens: 7 },
});

const calls = (request) => ({
  // Gemini gives its calls no ids.
  toolCalls: ["Zürich", "北京"].map((city, index) => ({
    name: "get_weather", arguments: JSON.stringify({ city, days: index + 1 }),
    ...(isGemini(request) ? {} : { id: `call_${index}` }),
  })),
  usage: { prompt_tokens: 50, completion_tokens: 20 },
});

const results = (request) => ({
  content: request.messages.filter((message) => message.role === "tool")
    .map((message) => `${message.tool_call_id}: ${textOf(message.content)}`).join("\n"),
});

provider.onMessage(/What is \d+ plus/, sum);
provider.onMessage("Say it back", echo);
provider.on({ userMessage: "weather", hasToolResult: true }, results);
provider.on({ userMessage: "weather", toolName: "get_weather" }, calls);
provider.onMessage("Think first", { reasoning: "Six times seven.", content: "42" });
provider.onMessage("Talk on", { content: "and on and", finishReason: "length" });
provider.onMessage("Something bad", (request) =>
  ({ content: "", finishReason: isClaude(request) ? "refusal" : "content_filter" }));
// Slowly, or its pieces would be dropped together with the connection before they are sent.
provider.onMessage("Break off", { content: "this will never be heard to its end" },
                   { latency: 20, truncateAfterChunks: 5 });
provider.onMessage("Garble", { content: "unread" }, { chaos: { malformedRate: 1 } });
provider.onMessage("Hang up", { content: "unread" }, { chaos: { disconnectRate: 1 } });
provider.onMessage("Refuse", (request) => failure(request, 400, "this model knows no such thing"));
provider.onMessage("Fall over", (request) => failure(request, 500, "the model fell over"));
provider.on({ userMessage: "Fill the form", responseFormat: "json_schema" }, { content: '{"city":"Zürich"}' });
provider.onEmbedding("three numbers", { embedding: [0.5, -0.25, 0.125] });

await provider.start();
writeFileSync(`${portFile}.new`, String(provider.port));
renameSync(`${portFile}.new`, portFile);
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
