#include "core/reports/exporter.hpp"
#include "core/values/text.hpp"
#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/routes/sample_filter.hpp"
#include "server/routes/shared.hpp"
#include "server/services.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace assay::server {

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;

/// How many rows one request may look at when it wants only some: a page costs the same however large the run
/// is.
constexpr size_t most_scanned_rows = 20'000;
/// More turns or judges than a sample has.
constexpr uint16_t most_steps = 256;

// -- cursors --------------------------------------------------------------------------------------------

std::string cursor_of(const sample_address& at) {
  std::string out;
  for (const unsigned part : {unsigned{at.task}, unsigned{at.variant}, unsigned{at.sample},
                              unsigned{at.epoch}, unsigned{at.step}, unsigned{at.generation}})
    out += (out.empty() ? "" : "-") + std::to_string(part);
  return out;
}

/// Reads numbers with @p separator between them. @returns how many there are; 0 for anything else.
size_t read_numbers(std::string_view text, char separator, std::array<uint32_t, 6>& out) {
  for (size_t i = 0; i < out.size(); ++i) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out[i]);
    if (error != std::errc{} || (i != 2 && out[i] > 0xFFFF))
      return 0;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (text.empty())
      return i + 1;
    if (text.front() != separator)
      return 0;
    text.remove_prefix(1);
  }
  return 0;
}

sample_address address_from(const std::array<uint32_t, 6>& parts) {
  return {static_cast<uint16_t>(parts[0]), static_cast<uint16_t>(parts[1]), parts[2],
          static_cast<uint16_t>(parts[3]), static_cast<uint16_t>(parts[4]), static_cast<uint16_t>(parts[5])};
}

std::optional<sample_address> address_of(std::string_view cursor) {
  std::array<uint32_t, 6> parts{};
  if (read_numbers(cursor, '-', parts) != parts.size())
    return std::nullopt;
  return address_from(parts);
}

// -- the list -------------------------------------------------------------------------------------------

struct sample_list {
  json items = json::array();
  std::optional<sample_address> next;
};

/// What the numbers of an address stand for.
void add_names(json& item, const run_spec& spec, const sample_address& at) {
  if (at.task < spec.tasks.size())
    item["task_id"] = spec.tasks[at.task].id.value;
  if (at.variant < spec.prompt_types.size())
    item["prompt_type"] = spec.prompt_types[at.variant];
}

/// JSON in an answer of its own: a result cannot tell JSON from a fault.
struct shown_json {
  json value;
};

result<shown_json> item_of(storage::snapshot& view, const run_record& run, const sample_record& sample,
                           bool with_answer) {
  const auto& names = reports::scorer_names(run, sample.address.task);
  shown_json out;
  if (with_answer) {
    auto found = view.find_response(run.spec.id, sample.address);
    if (!found)
      return found.error();
    out.value = sample_to_json(sample, *found ? &**found : nullptr, names);
  } else {
    out.value = sample_to_json(sample, names);
  }
  add_names(out.value, run.spec, sample.address);
  return out;
}

result<sample_list> read_samples(storage::snapshot& view, const run_record& run,
                                 std::optional<sample_address> after, size_t limit,
                                 const sample_filter& filter, bool with_answers) {
  sample_list out;
  size_t scanned = 0;
  after = begin_of(filter, after);
  // Without a filter every row is shown; with one, small pages would only cost seeks.
  const auto page_rows = filter.is_empty() ? std::min(limit, storage::max_page_rows) : storage::max_page_rows;
  do {
    auto page = view.page_samples(run.spec.id, after, page_rows);
    if (!page)
      return page.error();
    for (const auto& sample : page->samples) {
      if (is_past(filter, sample.address))
        return out;
      after = sample.address;
      if (!fits(run, sample, filter))
        continue;
      auto item = item_of(view, run, sample, with_answers);
      if (!item)
        return item.error();
      out.items.push_back(std::move(item->value));
      if (out.items.size() == limit) {
        out.next = after;
        return out;
      }
    }
    scanned += page->samples.size();
    after = page->next;
  } while (after && scanned < most_scanned_rows);
  out.next = after;
  return out;
}

awaitable<result<response>> list_samples(request_context& context) {
  auto id = run_id_in_path(context);
  if (!id)
    co_return id.error();
  auto run = readable_run(context, *id);
  if (!run)
    co_return run.error();
  const auto cursor = context.text("cursor");
  const auto after = address_of(cursor);
  if (!cursor.empty() && !after)
    co_return fault{errc::invalid_argument, "is no cursor", "cursor", "take next_cursor of the page before"};
  auto filter = filter_in(context, *run);
  if (!filter)
    co_return filter.error();
  auto read = [run = std::move(*run), after, limit = static_cast<size_t>(context.integer("limit")),
               filter = std::move(*filter), answers = context.flag("include_answers")](
                  storage::snapshot& view) { return read_samples(view, run, after, limit, filter, answers); };
  auto page = co_await context.edge.read_later(std::move(read));
  if (!page)
    co_return page.error();
  const auto next = page->next ? json(cursor_of(*page->next)) : json(nullptr);
  co_return context.answer(
      {{"evaluation_id", to_string(*id)}, {"items", std::move(page->items)}, {"next_cursor", next}});
}

// -- one sample -----------------------------------------------------------------------------------------

/// `task:variant:sample[:epoch]`, as the `id` of a sample says it.
std::optional<sample_address> address_named(const std::string& name) {
  std::array<uint32_t, 6> parts{};
  const auto count = read_numbers(name, ':', parts);
  if (count != 3 && count != 4)
    return std::nullopt;
  return address_from(parts);
}

json request_of(const run_record& run, const sample_address& at, const response_record* response) {
  json out{{"model", run.spec.wire_model},
           {"provider", run.spec.provider.value},
           {"prompt", nullptr},
           {"generation", json::object()}};
  if (response && !response->prompt.empty())
    out["prompt"] = valid_utf8(response->prompt);
  if (at.task < run.spec.tasks.size())
    out["generation"] = run.spec.tasks[at.task].generation;
  return out;
}

json response_of(const response_record* response) {
  if (!response)
    return nullptr;
  const auto known = [](const std::string& text) {
    return text.empty() ? json(nullptr) : json(valid_utf8(text));
  };
  return {{"answer", valid_utf8(response->answer)},
          {"finish_reason", to_string(response->finish)},
          {"http_status", response->http_status == 0 ? json(nullptr) : json(response->http_status)},
          {"served_model", known(response->served_model)},
          {"served_by", known(response->served_by)},
          {"request_id", known(response->request_id)},
          {"key", known(response->key)},
          {"usage", response->usage},
          {"usage_estimated", response->usage_estimated},
          {"cost", response->cost ? json(to_dollars(*response->cost)) : json(nullptr)},
          {"finished_at", to_rfc3339(response->finished_at)},
          {"simulated", response->simulated},
          {"cached", response->cached}};
}

/// Every answer that belongs to the sample beside the one that was scored: of turns, judges and earlier
/// retries.
result<shown_json> other_answers(storage::snapshot& view, const run_record& run,
                                 const sample_record& sample) {
  shown_json out;
  out.value = json::array();
  auto at = sample.address;
  for (uint16_t generation = 0; generation <= sample.address.generation; ++generation) {
    at.generation = generation;
    for (at.step = 0; at.step < most_steps; ++at.step) {
      const auto found = view.find_responses(run.spec.id, at);
      if (!found)
        return found.error();
      for (const auto& one : *found) {
        auto item = response_of(&one);
        item["step"] = at.step;
        item["generation"] = at.generation;
        item["attempt"] = one.attempt;
        item["error"] = one.error ? json(to_string(*one.error)) : json(nullptr);
        out.value.push_back(std::move(item));
      }
      if (found->empty())
        break;
    }
  }
  return out;
}

result<shown_json> read_sample(storage::snapshot& view, const run_record& run, sample_address at) {
  for (uint16_t generation = run.generation + 1; generation-- > 0;) {
    at.generation = generation;
    const auto sample = view.find_sample(run.spec.id, at);
    if (!sample)
      return sample.error();
    if (!*sample)
      continue;
    const auto response = view.find_response(run.spec.id, at);
    if (!response)
      return response.error();
    const auto* found = *response ? &**response : nullptr;
    auto answers = other_answers(view, run, **sample);
    if (!answers)
      return answers.error();
    shown_json out;
    out.value = sample_to_json(**sample, found, reports::scorer_names(run, at.task));
    add_names(out.value, run.spec, at);
    out.value["model_id"] = run.spec.model.value;
    out.value["request"] = request_of(run, at, found);
    out.value["response"] = response_of(found);
    out.value["answers"] = std::move(answers->value);
    return out;
  }
  return fault{errc::not_found, "this sample has not been answered", "sample",
               "GET /results/{id}/samples lists those that have"};
}

awaitable<result<response>> find_sample(request_context& context) {
  auto id = run_id_in_path(context);
  if (!id)
    co_return id.error();
  auto run = readable_run(context, *id);
  if (!run)
    co_return run.error();
  const auto at = address_named(context.path_value("sample"));
  if (!at)
    co_return fault{errc::not_found, "there is no sample '" + context.path_value("sample") + "'", "sample",
                    "ids look like 0:0:3:0, the numbers of task, prompt type, row and epoch"};
  auto read = [run = std::move(*run), at = *at](storage::snapshot& view) {
    return read_sample(view, run, at);
  };
  auto found = co_await context.edge.read_later(std::move(read));
  if (!found)
    co_return found.error();
  co_return context.answer(found->value);
}

// -- declarations ---------------------------------------------------------------------------------------

void add_schemas(schema_set& schemas) {
  schemas.add("Sample", R"({
    "type": "object",
    "properties": {
      "id": {"type": "string"}, "evaluation_id": {"type": "string"}, "task_id": {"type": "string"}, "prompt_type": {"type": "string"},
      "status": {"type": "string", "enum": ["answered", "scored", "failed"]},
      "score": {"type": ["number", "null"]},
      "scores": {"type": "object"}, "usage": {"type": "object"},
      "cost": {"type": ["number", "null"]},
      "prompt": {"type": ["string", "null"], "description": "With include_answers, like everything else that only the answer knows: timing, http_status, finished_at, simulated, ..."},
      "answer": {"type": ["string", "null"], "description": "With include_answers."}
    },
    "required": ["id", "evaluation_id", "status", "score", "scores"]
  })");
  schemas.add("SampleDetail", R"({
    "type": "object",
    "description": "A Sample with everything known of it.",
    "properties": {
      "id": {"type": "string"}, "evaluation_id": {"type": "string"}, "task_id": {"type": "string"}, "prompt_type": {"type": "string"},
      "status": {"type": "string"}, "score": {"type": ["number", "null"]}, "scores": {"type": "object"},
      "timing": {"type": ["object", "null"], "description": "Milliseconds by part of the way."},
      "retries": {"type": "array", "items": {"type": "object"}},
      "request": {"type": "object", "description": "model, provider, prompt and generation parameters."},
      "response": {"type": ["object", "null"], "description": "The answer that was scored."},
      "answers": {"type": "array", "items": {"type": "object"}, "description": "Every stored answer: of steps, attempts and earlier generations."}
    },
    "required": ["id", "evaluation_id", "status", "score", "scores", "request", "response", "answers"]
  })");
  schemas.add("SampleList", R"({
    "type": "object",
    "properties": {
      "evaluation_id": {"type": "string"},
      "items": {"type": "array", "items": {"$ref": "#/components/schemas/Sample"}},
      "next_cursor": {"type": ["string", "null"], "description": "cursor of the next page; null on the last one."}
    },
    "required": ["evaluation_id", "items", "next_cursor"]
  })");
}

query_parameter text(const char* name, const char* summary) {
  query_parameter out;
  out.name = name;
  out.summary = summary;
  return out;
}

std::vector<query_parameter> list_parameters() {
  std::vector<query_parameter> out{
      query_parameter{"limit", parameter_type::integer, "Samples on a page", "100", 1, 500, {}, 256, false},
      text("cursor", "next_cursor of the page before")};
  query_parameter status;
  status.name = "status";
  status.type = parameter_type::choice;
  status.choices = {"answered", "scored", "failed"};
  status.summary = "Only these";
  out.push_back(std::move(status));
  out.push_back(text("task", "Only samples of this task"));
  out.push_back(text("prompt_type", "Only samples of this prompt type"));
  out.push_back(text("score_min", "Only samples with at least this score"));
  out.push_back(text("score_max", "Only samples with at most this score"));
  out.push_back(
      text("scorer", "Whose score score_min and score_max mean; the task's first scorer when not given"));
  out.push_back(text("error", "Only samples with this error, such as provider_timeout; any or none"));
  query_parameter answers;
  answers.name = "include_answers";
  answers.type = parameter_type::flag;
  answers.summary = "With prompt, answer, timing and retries";
  answers.fallback = "false";
  out.push_back(std::move(answers));
  return out;
}

} // namespace

void add_sample_routes(route_table& table) {
  add_schemas(table.schemas());

  route samples;
  samples.path = "/results/{id}/samples";
  samples.tag = "results";
  samples.summary = "The samples of an evaluation, finished ones while it runs too";
  samples.details =
      "A request with a filter looks at 20,000 samples at most: its page may be short, or empty, and "
      "still have a next_cursor.";
  samples.response_schema = "SampleList";
  samples.handler = &list_samples;
  samples.query = list_parameters();
  table.add(std::move(samples));

  route one;
  one.path = "/results/{id}/samples/{sample}";
  one.tag = "results";
  one.summary = "One sample with its request, response, timing, cost, key and retries";
  one.response_schema = "SampleDetail";
  one.handler = &find_sample;
  table.add(std::move(one));
}

} // namespace assay::server
