// Asks the models of a provider that was not written here, through assay, with clients that were not written here
// either. Runs in a folder where they are installed; arguments: the server's address and a token, the provider's
// address and its key. A failed check ends with exit code 1.
import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const [base, token, foreign, key] = process.argv.slice(2);
// As foreign_test.py configures them.
const models = ["open", "claude", "gemini", "azure", "router"];
const client = new OpenAI({ apiKey: token, baseURL: `${base}/v1`, maxRetries: 0 });
const ask = (model, content, more = {}) =>
  client.chat.completions.create({ model, messages: [{ role: "user", content }], ...more });

/** All that a stream says, put together as a client would. */
async function streamed(model, content, more = {}) {
  const out = { text: "", reasoning: "", pieces: 0, calls: [], finish: null, usage: null };
  const stream = await ask(model, content, { stream: true, stream_options: { include_usage: true }, ...more });
  for await (const chunk of stream) {
    out.usage = chunk.usage ?? out.usage;
    const [choice] = chunk.choices;
    if (!choice) continue;
    out.finish = choice.finish_reason ?? out.finish;
    out.text += choice.delta.content ?? "";
    out.reasoning += choice.delta.reasoning_content ?? "";
    if (choice.delta.content) ++out.pieces;
    for (const call of choice.delta.tool_calls ?? []) {
      const at = (out.calls[call.index] ??= { id: "", name: "", arguments: "" });
      at.id += call.id ?? "";
      at.name += call.function.name ?? "";
      at.arguments += call.function.arguments;
    }
  }
  return out;
}

const counted = (usage) => [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens];

/** What is sent arrives, and what is answered comes back: system texts, several turns, every script, line breaks. */
async function conversations(model) {
  const messages = [
    { role: "system", content: "Be \"brief\".\nAnd 准确." },
    { role: "user", content: "Grüße\tan alle" },
    { role: "assistant", content: "再见 \\ au revoir" },
    { role: "user", content: "Say it back: naïve 北京 {\"x\": [1]}" },
  ];
  const sent = (role) => messages.filter((one) => one.role === role).map((one) => one.content);
  const whole = await client.chat.completions.create({ model, messages });
  assert.deepEqual(JSON.parse(whole.choices[0].message.content),
                   { system: sent("system"), user: sent("user"), assistant: sent("assistant") });
  assert.equal(whole.choices[0].finish_reason, "stop");
  assert.deepEqual(counted(whole.usage), [31, 7, 38]);

  const pieces = await streamed(model, messages.at(-1).content, { messages });
  assert.equal(pieces.text, whole.choices[0].message.content);
  assert.ok(pieces.pieces > 5, `a stream of ${pieces.pieces} pieces`);
  assert.equal(pieces.finish, "stop");
  assert.deepEqual(counted(pieces.usage), [31, 7, 38]);
}

/** Two calls at once, whole and streamed, and their results on the way back. */
async function tools(model) {
  const properties = { city: { type: "string" }, days: { type: "integer" } };
  const parameters = { type: "object", properties, required: ["city"] };
  const description = "The weather of a city";
  const more = { tools: [{ type: "function", function: { name: "get_weather", description, parameters } }] };
  const question = { role: "user", content: "What will the weather be?" };
  const whole = await ask(model, question.content, more);
  const { message, finish_reason: finish } = whole.choices[0];
  assert.equal(finish, "tool_calls");
  assert.deepEqual(message.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]),
                   [["get_weather", { city: "Zürich", days: 1 }], ["get_weather", { city: "北京", days: 2 }]]);
  assert.equal(new Set(message.tool_calls.map((call) => call.id)).size, 2, "calls are told apart");
  assert.deepEqual(counted(whole.usage), [50, 20, 70]);

  const pieces = await streamed(model, question.content, more);
  assert.equal(pieces.finish, "tool_calls");
  assert.deepEqual(pieces.calls.map((call) => [call.name, JSON.parse(call.arguments)]),
                   message.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]));
  assert.deepEqual(counted(pieces.usage), [50, 20, 70]);

  const results = message.tool_calls.map((call, index) =>
    ({ role: "tool", tool_call_id: call.id, content: JSON.stringify({ degrees: 20 + index }) }));
  const next = await client.chat.completions.create({ model, ...more, messages: [question, message, ...results] });
  const heard = next.choices[0].message.content.split("\n");
  assert.equal(heard.length, 2, heard.join());
  heard.forEach((line, index) => {
    assert.ok(line.endsWith(results[index].content), line);
    // Gemini's calls have no ids: whoever copies its protocol makes some up.
    if (model !== "gemini") assert.ok(line.startsWith(results[index].tool_call_id), line);
  });
}

async function endings(model) {
  const thought = await ask(model, "Think first");
  assert.equal(thought.choices[0].message.content, "42");
  assert.equal(thought.choices[0].message.reasoning_content, "Six times seven.");
  const aloud = await streamed(model, "Think first");
  assert.deepEqual([aloud.text, aloud.reasoning], ["42", "Six times seven."]);

  assert.equal((await ask(model, "Talk on")).choices[0].finish_reason, "length");
  assert.equal((await streamed(model, "Talk on")).finish, "length");
  const withheld = (error) => error instanceof OpenAI.BadRequestError && error.code === "content_filter";
  await assert.rejects(ask(model, "Something bad"), withheld);
}

async function failures(model) {
  const fails = (question, status, words, more) => assert.rejects(ask(model, question, more), (error) => {
    assert.ok(error instanceof OpenAI.APIError, String(error));
    assert.equal(error.status, status, String(error));
    assert.match(error.message, words);
    return true;
  });
  await Promise.all([
    fails("Refuse", 400, /this model knows no such thing/),
    fails("Refuse", 400, /this model knows no such thing/, { stream: true }),
    fails("Fall over", 502, /the model fell over/),
    fails("Garble", 502, /JSON/),
    fails("Hang up", 502, /./),
    // A stream that has begun can only end with its error.
    assert.rejects(streamed(model, "Break off"), (error) => error instanceof OpenAI.APIError),
  ]);
}

/** Anthropic's own client reads the provider's streams; what assay makes of them must be the same. */
async function sameAsAnthropicsClient() {
  const direct = new Anthropic({ apiKey: key, baseURL: foreign, maxRetries: 0 });
  const question = (content, more) =>
    ({ model: "claude-3-haiku-20240307", max_tokens: 64, messages: [{ role: "user", content }], ...more });
  const said = await direct.messages.stream(question("Say it back: 你好")).finalMessage();
  const same = await streamed("claude", "Say it back: 你好");
  assert.equal(same.text, said.content[0].text);
  assert.deepEqual(counted(same.usage).slice(0, 2), [said.usage.input_tokens, said.usage.output_tokens]);

  const schema = { type: "object", properties: { city: { type: "string" } } };
  const called = await direct.messages.stream(question("weather", {
    tools: [{ name: "get_weather", input_schema: schema }] })).finalMessage();
  const calls = await streamed("claude", "weather", {
    tools: [{ type: "function", function: { name: "get_weather", parameters: schema } }] });
  assert.deepEqual(calls.calls.map(({ id, name, arguments: json }) => ({ id, name, input: JSON.parse(json) })),
                   called.content.map(({ id, name, input }) => ({ id, name, input })));
}

async function embeddings() {
  for (const model of ["vectors", "azure-vectors"]) {
    const fixed = await client.embeddings.create({ model, input: "three numbers" });
    assert.deepEqual(Array.from(fixed.data[0].embedding), [0.5, -0.25, 0.125]);

    // Texts of which the provider makes numbers by itself, the same for everybody.
    const input = ["北京", "Zürich"];
    const ours = await client.embeddings.create({ model, input, dimensions: 48, encoding_format: "float" });
    const answer = await fetch(`${foreign}/v1/embeddings`, {
      method: "POST", headers: { "Content-Type": "application/json", Authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: "text-embedding-3-small", input, dimensions: 48 }),
    });
    const theirs = await answer.json();
    assert.deepEqual(ours.data.map((one) => one.index), [0, 1]);
    ours.data.forEach((one, index) => {
      assert.equal(one.embedding.length, 48);
      one.embedding.forEach((number, place) =>
        assert.ok(Math.abs(number - theirs.data[index].embedding[place]) < 1e-6, `${model} ${index} ${place}`));
    });
  }
  await assert.rejects(client.embeddings.create({ model: "claude", input: "three numbers" }),
                       (error) => error instanceof OpenAI.BadRequestError);
}

/** What fetch alone sees: the headers of an answer, and the frames of a stream. */
async function plainFetch(model) {
  const post = (content, stream) => fetch(`${base}/v1/chat/completions`, {
    method: "POST", headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: JSON.stringify({ model, stream, messages: [{ role: "user", content }] }),
  });
  const whole = await post("What is 40 plus 40?", false);
  assert.match(whole.headers.get("x-assay-served-by"), new RegExp(`/${model}$`));
  const { choices, usage } = await whole.json();
  assert.equal(choices[0].message.content, "It is 80.");
  if (model === "router") {
    assert.equal(Number(whole.headers.get("x-assay-cost")), (140 * 1 + 50 * 2) / 1e6);
    assert.equal(usage.prompt_tokens_details.cached_tokens, 5);
    assert.equal(usage.completion_tokens_details.reasoning_tokens, 3);
  }
  const stream = await post("What is 40 plus 40?", true);
  const frames = (await stream.text()).split("\n\n").filter(Boolean);
  assert.ok(frames.every((frame) => frame.startsWith("data: ")), frames.join("\n"));
  assert.equal(frames.at(-1), "data: [DONE]");
  const text = frames.slice(0, -1).map((frame) => JSON.parse(frame.slice(6)).choices[0]?.delta.content ?? "").join("");
  assert.equal(text, "It is 80.");
}

async function forms() {
  const format = { type: "json_schema", json_schema: { name: "form", schema: { type: "object" } } };
  for (const model of ["open", "azure", "router"]) {
    const answer = await ask(model, "Fill the form", { response_format: format });
    assert.deepEqual(JSON.parse(answer.choices[0].message.content), { city: "Zürich" });
  }
}

async function drive(model) {
  for (const check of [conversations, tools, endings, plainFetch, failures])
    try {
      await check(model);
    } catch (error) {
      throw new Error(`${check.name} of ${model}: ${error.stack}`);
    }
  console.log(`asked ${model}`);
}

const ended = await Promise.allSettled([...models.map(drive), sameAsAnthropicsClient(), embeddings(), forms()]);
const failed = ended.filter((one) => one.status === "rejected");
for (const { reason } of failed) console.error(reason.stack);
process.exitCode = failed.length === 0 ? 0 : 1;
