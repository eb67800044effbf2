// Drives the mock provider with clients that were not written here. Runs in a folder where they are installed;
// argument: the mock's port. Prints one line per client; a failed check ends with exit code 1.
import assert from "node:assert/strict";

const base = `http://127.0.0.1:${process.argv[2]}`;
const key = "test-key";
const model = "sim-p100";
const prompt = "What is 2 plus 2? (mock_clients)";
const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

const control = async (path, body) => {
  const answer = await fetch(base + path, { method: "POST", body: JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.text());
};
const faults = (...rules) => control("/mock/faults", rules);
/** The error that a promise ends with. */
const failure = async (promise) => {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  return assert.fail("no error");
};
/** Asks until the answer is good; the mock's batches take a fraction of a second. */
const until = async (ask, good) => {
  for (let i = 0; i < 2000; i++) {
    const value = await ask();
    if (good(value)) return value;
    await new Promise((done) => setTimeout(done, 10));
  }
  return assert.fail("it never came");
};
/** The right answer to the prompt, however it is dressed. */
const four = (text) => assert.match(text, /\b4\b/);
const lines = (text) => text.trim().split("\n").map((line) => JSON.parse(line));

async function openai({ default: OpenAI, AzureOpenAI, toFile }) {
  const messages = [{ role: "user", content: prompt }];
  const client = new OpenAI({ apiKey: key, baseURL: `${base}/v1`, maxRetries: 0 });
  const { data, response } = await client.chat.completions.create({ model, messages }).withResponse();
  four(data.choices[0].message.content);
  assert.equal(data._request_id, response.headers.get("x-request-id"));
  assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);

  const stream = client.chat.completions.stream({ model, messages, stream_options: { include_usage: true } });
  const whole = await stream.finalChatCompletion();
  four(whole.choices[0].message.content);
  assert.deepEqual((await stream.totalUsage()).total_tokens, data.usage.total_tokens);

  const tools = [{ type: "function", function: { name: "get_weather", parameters: schema } }];
  const called = await client.chat.completions
    .stream({ model, messages, tools, tool_choice: "required" })
    .finalChatCompletion();
  assert.equal(called.choices[0].finish_reason, "tool_calls");
  assert.equal(typeof JSON.parse(called.choices[0].message.tool_calls[0].function.arguments).city, "string");

  // Without encoding_format the client asks for base64 and decodes it.
  const texts = await client.embeddings.create({ model, input: ["a", "b"], dimensions: 16 });
  const plain = await client.embeddings.create({ model, input: ["a"], dimensions: 16, encoding_format: "float" });
  assert.equal(texts.data.length, 2);
  texts.data[0].embedding.forEach((x, i) => assert.ok(Math.abs(x - plain.data[0].embedding[i]) < 1e-6));

  const names = [];
  for await (const one of client.models.list()) names.push(one.id);
  assert.ok(names.includes("sim-strong"));

  const body = ["a", "b", "c"].map((id) =>
    JSON.stringify({ custom_id: id, method: "POST", url: "/v1/chat/completions", body: { model, messages } }),
  );
  const input = await client.files.create({ purpose: "batch", file: await toFile(Buffer.from(body.join("\n")), "in.jsonl") });
  const created = await client.batches.create({
    input_file_id: input.id, endpoint: "/v1/chat/completions", completion_window: "24h", metadata: { name: "x" },
  });
  assert.equal(created.status, "validating");
  const batch = await until(() => client.batches.retrieve(created.id), (b) => b.status === "completed");
  assert.deepEqual({ ...batch.request_counts }, { total: 3, completed: 3, failed: 0 });
  const results = lines(await (await client.files.content(batch.output_file_id)).text());
  assert.deepEqual(results.map((line) => line.custom_id).sort(), ["a", "b", "c"]);
  four(results[0].response.body.choices[0].message.content);
  assert.ok((await client.files.delete(input.id)).deleted);

  const wrong = new OpenAI({ apiKey: "wrong", baseURL: `${base}/v1`, maxRetries: 0 });
  assert.ok((await failure(wrong.models.list())) instanceof OpenAI.AuthenticationError);
  assert.ok((await failure(client.chat.completions.create({ model: "nobody", messages }))) instanceof OpenAI.NotFoundError);
  await faults({ kind: "rate_limit", ms: 1500 });
  const limited = await failure(client.chat.completions.create({ model, messages }));
  assert.ok(limited instanceof OpenAI.RateLimitError);
  assert.equal(limited.code, "rate_limit_exceeded");
  assert.equal(limited.headers.get("retry-after-ms"), "1500");
  // The client's own retries get through a storm that ends.
  await faults({ kind: "rate_limit", ms: 1, retry_after: "ms", times: 2 }, { kind: "status", status: 503, times: 0, calls: [1] });
  const patient = new OpenAI({ apiKey: key, baseURL: `${base}/v1`, maxRetries: 4 });
  four((await patient.chat.completions.create({ model, messages })).choices[0].message.content);
  await faults({ kind: "stream_error" });
  const broken = await failure(
    (async () => {
      for await (const chunk of await client.chat.completions.create({ model, messages, stream: true })) void chunk;
    })(),
  );
  assert.ok(broken instanceof OpenAI.APIError, String(broken));
  await faults();

  const azure = new AzureOpenAI({ apiKey: key, endpoint: base, apiVersion: "2024-10-21", deployment: model, maxRetries: 0 });
  four((await azure.chat.completions.create({ model: "x", messages })).choices[0].message.content);
  const router = new OpenAI({ apiKey: key, baseURL: `${base}/openrouter/api/v1`, maxRetries: 0 });
  four((await router.chat.completions.stream({ model: `v/${model}`, messages }).finalChatCompletion()).choices[0].message.content);
  const deepseek = new OpenAI({ apiKey: key, baseURL: `${base}/deepseek`, maxRetries: 0 });
  await faults({ kind: "keep_alive", count: 3, ms: 1 });
  four((await deepseek.chat.completions.create({ model, messages })).choices[0].message.content);
  four((await deepseek.chat.completions.stream({ model, messages }).finalChatCompletion()).choices[0].message.content);
  await faults();
}

async function anthropic({ default: Anthropic }) {
  const messages = [{ role: "user", content: prompt }];
  const client = new Anthropic({ apiKey: key, baseURL: base, maxRetries: 0 });
  const ask = { model, max_tokens: 50, messages };
  const answer = await client.messages.create(ask);
  four(answer.content[0].text);
  assert.equal(answer.stop_reason, "end_turn");
  assert.ok(answer._request_id.startsWith("req_"));

  const streamed = await client.messages.stream(ask).finalMessage();
  four(streamed.content[0].text);
  assert.equal(streamed.usage.output_tokens, answer.usage.output_tokens);
  assert.equal(streamed.usage.input_tokens, answer.usage.input_tokens);

  const tools = [{ name: "get_weather", input_schema: schema }];
  const called = await client.messages.stream({ ...ask, tools, tool_choice: { type: "any" } }).finalMessage();
  assert.equal(called.stop_reason, "tool_use");
  assert.equal(typeof called.content[0].input.city, "string");

  assert.equal((await client.messages.countTokens({ model, messages })).input_tokens, answer.usage.input_tokens);
  const names = [];
  for await (const one of client.models.list()) names.push(one.id);
  assert.ok(names.includes("sim-strong"));

  const requests = ["a", "b"].map((id) => ({ custom_id: id, params: ask }));
  requests.push({ custom_id: "c", params: { ...ask, model: "nobody" } });
  const created = await client.messages.batches.create({ requests });
  assert.equal(created.processing_status, "in_progress");
  const batch = await until(() => client.messages.batches.retrieve(created.id), (b) => b.processing_status === "ended");
  assert.deepEqual({ ...batch.request_counts }, { processing: 0, succeeded: 2, errored: 1, canceled: 0, expired: 0 });
  const results = {};
  for await (const line of await client.messages.batches.results(created.id)) results[line.custom_id] = line.result;
  four(results.a.message.content[0].text);
  assert.equal(results.c.error.error.type, "not_found_error");
  await client.messages.batches.delete(created.id);

  const wrong = new Anthropic({ apiKey: "wrong", baseURL: base, maxRetries: 0 });
  assert.ok((await failure(wrong.messages.create(ask))) instanceof Anthropic.AuthenticationError);
  await faults({ kind: "status", status: 529 });
  assert.equal((await failure(client.messages.create(ask))).status, 529);
  await faults({ kind: "rate_limit", ms: 2000 });
  const limited = await failure(client.messages.create(ask));
  assert.ok(limited instanceof Anthropic.RateLimitError);
  assert.equal(limited.headers.get("retry-after"), "2");
  await faults({ kind: "stream_error", status: 529 });
  const broken = await failure(client.messages.stream(ask).finalMessage());
  assert.ok(broken instanceof Anthropic.APIError, String(broken));
  await faults({ kind: "keep_alive", count: 3, ms: 1 });
  four((await client.messages.stream(ask).finalMessage()).content[0].text);
  await faults();
}

async function gemini({ GoogleGenAI }) {
  const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: base } });
  const ask = { model, contents: prompt };
  const answer = await client.models.generateContent(ask);
  four(answer.text);
  assert.equal(answer.candidates[0].finishReason, "STOP");

  let text = "";
  let usage;
  for await (const frame of await client.models.generateContentStream(ask)) {
    text += frame.text;
    usage = frame.usageMetadata;
  }
  four(text);
  assert.equal(usage.totalTokenCount, answer.usageMetadata.totalTokenCount);

  const called = await client.models.generateContent({
    ...ask,
    config: { tools: [{ functionDeclarations: [{ name: "get_weather", parametersJsonSchema: schema }] }],
              toolConfig: { functionCallingConfig: { mode: "ANY" } } },
  });
  assert.equal(called.functionCalls[0].name, "get_weather");
  const vectors = await client.models.embedContent({ model, contents: ["a", "b"], config: { outputDimensionality: 8 } });
  assert.equal(vectors.embeddings[1].values.length, 8);
  assert.equal((await client.models.countTokens(ask)).totalTokens, answer.usageMetadata.promptTokenCount);
  const names = [];
  for await (const one of await client.models.list()) names.push(one.name);
  assert.ok(names.includes("models/sim-strong"));

  const done = (job) => job.state === "JOB_STATE_SUCCEEDED";
  const inline = await client.batches.create({ model, src: [{ contents: [{ parts: [{ text: prompt }], role: "user" }] }] });
  const job = await until(() => client.batches.get({ name: inline.name }), done);
  four(job.dest.inlinedResponses[0].response.candidates[0].content.parts[0].text);

  const request = { contents: [{ parts: [{ text: prompt }], role: "user" }] };
  const file = await client.files.upload({
    file: new Blob([`${JSON.stringify({ key: "a", request })}\n`]), config: { mimeType: "application/jsonl" },
  });
  const fromFile = await client.batches.create({ model, src: file.name });
  const second = await until(() => client.batches.get({ name: fromFile.name }), done);
  const results = lines(await (await fetch(`${base}/v1beta/${second.dest.fileName}:download?alt=media`, { headers: { "x-goog-api-key": key } })).text());
  assert.equal(results[0].key, "a");

  const wrong = new GoogleGenAI({ apiKey: "wrong", httpOptions: { baseUrl: base } });
  assert.equal((await failure(wrong.models.generateContent(ask))).status, 400);
  await faults({ kind: "rate_limit", ms: 1500 });
  const limited = await failure(client.models.generateContent(ask));
  assert.equal(limited.status, 429);
  assert.match(limited.message, /"retryDelay":"1.5s"/);
  await faults();
}

const clients = [["openai", openai], ["@anthropic-ai/sdk", anthropic], ["@google/genai", gemini]];
for (const [name, drive] of clients) {
  let loaded;
  try {
    loaded = await import(name);
  } catch (error) {
    console.log(`skipped ${name}: it does not load with Node ${process.version}: ${error.message}`);
    continue;
  }
  await drive(loaded);
  console.log(`drove ${name}`);
}
