// Asks models through assay with clients that were not written here. Runs in a folder where they are installed;
// arguments: the server's address and a token. A failed check ends with exit code 1.
import assert from "node:assert/strict";

const [base, token] = process.argv.slice(2);
const model = "sim-p100";
const messages = [{ role: "user", content: "What is 1 plus 1? (asked)" }];

/** What fetch alone has to do. */
async function plainFetch() {
  const answer = await fetch(`${base}/v1/chat/completions`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
    body: JSON.stringify({ model, messages, stream: true }),
  });
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get("content-type"), /text\/event-stream/);
  const text = await answer.text();
  assert.ok(text.endsWith("data: [DONE]\n\n"), text);
  console.log("drove fetch");
}

async function openai({ default: OpenAI }) {
  const client = new OpenAI({ apiKey: token, baseURL: `${base}/v1`, maxRetries: 0 });
  const whole = await client.chat.completions.create({ model, messages });
  assert.match(whole.choices[0].message.content, /\b2\b/);
  assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);

  const stream = client.chat.completions.stream({ model, messages, stream_options: { include_usage: true } });
  const collected = await stream.finalChatCompletion();
  assert.equal(collected.choices[0].message.content, whole.choices[0].message.content);
  assert.ok((await stream.totalUsage()).total_tokens > 0);

  const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
  const called = await client.chat.completions.create({
    model, messages, tool_choice: "required",
    tools: [{ type: "function", function: { name: "get_weather", parameters } }],
  });
  assert.equal(called.choices[0].finish_reason, "tool_calls");
  assert.equal(called.choices[0].message.tool_calls[0].function.name, "get_weather");

  const listed = [];
  for await (const one of client.models.list()) listed.push(one.id);
  assert.ok(listed.length > 0);
  assert.equal((await client.models.retrieve(listed[0])).object, "model");

  await assert.rejects(client.chat.completions.create({ model: "no-such-model", messages }), (error) => {
    assert.ok(error instanceof OpenAI.NotFoundError, String(error));
    assert.equal(error.code, "model_not_found");
    return true;
  });
  await assert.rejects(client.chat.completions.create({ model, messages, temperature: 7 }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError, String(error));
    assert.equal(error.param, "temperature");
    return true;
  });
  const stranger = new OpenAI({ apiKey: "wrong", baseURL: `${base}/v1`, maxRetries: 0 });
  await assert.rejects(stranger.models.list(), (error) => error instanceof OpenAI.AuthenticationError);
  console.log("drove openai");
}

await plainFetch();
await openai(await import("openai"));
