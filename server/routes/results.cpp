#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/routes/shared.hpp"
#include "server/services.hpp"
#include "server/websocket/replay.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <charconv>

namespace assay::server {

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;

/// Left out of results unless include_details is given: large, and in GET /results/{id}/samples too.
constexpr std::string_view detail_keys[] = {"output", "samples", "details"};

// -- results --------------------------------------------------------------------------------------------

awaitable<result<response>> find(request_context& context) {
  auto id = run_id_in_path(context);
  if (!id)
    co_return id.error();
  auto run = readable_run(context, *id);
  if (!run)
    co_return run.error();
  auto read = [run = *id](storage::snapshot& view) { return view.find_result(run); };
  auto text = co_await context.edge.read_later(std::move(read));
  if (!text)
    co_return text.error();
  if (!*text) {
    const auto state = std::string(to_string(run->state));
    if (is_final(run->state))
      co_return fault{errc::not_found, "the evaluation is " + state + " and has no result", "id",
                      "GET /evaluations/{id} says why; GET /results/{id}/samples has what was answered"};
    co_return fault{errc::conflict, "the evaluation is " + state + "; its result comes when it has completed",
                    "id", "wait for evaluation_completed on /ws"};
  }
  auto document = json::parse(**text, nullptr, false);
  if (!document.is_object())
    co_return fault{errc::store_unreadable, "the stored result cannot be read", {}, "restore a backup"};
  if (!context.flag("include_details") && document.contains("task_results"))
    for (auto& task : document["task_results"])
      if (task.is_object())
        for (const auto key : detail_keys)
          // A number of samples is no detail.
          if (const auto detail = task.find(key); detail != task.end() && !detail->is_number())
            task.erase(detail);
  add_output(context, *run, document);
  co_return context.answer(document);
}

// -- samples --------------------------------------------------------------------------------------------

std::string cursor_of(const sample_address& at) {
  std::string out;
  for (const unsigned part : {unsigned{at.task}, unsigned{at.variant}, unsigned{at.sample},
                              unsigned{at.epoch}, unsigned{at.step}, unsigned{at.generation}})
    out += (out.empty() ? "" : "-") + std::to_string(part);
  return out;
}

std::optional<sample_address> address_of(std::string_view cursor) {
  std::array<uint32_t, 6> parts{};
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto [end, error] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), parts[i]);
    if (error != std::errc{} || (i != 2 && parts[i] > 0xFFFF))
      return std::nullopt;
    cursor.remove_prefix(static_cast<size_t>(end - cursor.data()));
    if (i + 1 < parts.size()) {
      if (!cursor.starts_with('-'))
        return std::nullopt;
      cursor.remove_prefix(1);
    }
  }
  if (!cursor.empty())
    return std::nullopt;
  return sample_address{
      static_cast<uint16_t>(parts[0]), static_cast<uint16_t>(parts[1]), parts[2],
      static_cast<uint16_t>(parts[3]), static_cast<uint16_t>(parts[4]), static_cast<uint16_t>(parts[5])};
}

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

/// How many rows one request may look at when it wants only those of one status.
constexpr size_t most_scanned_rows = 20'000;

result<sample_list> read_samples(storage::snapshot& view, const run_record& run,
                                 std::optional<sample_address> after, size_t limit, const std::string& status,
                                 bool with_answers) {
  const auto scorers = scorer_names_of(run);
  static const std::vector<std::string> none;
  sample_list out;
  size_t scanned = 0;
  do {
    auto page = view.page_samples(run.spec.id, after, std::min(limit, storage::max_page_rows));
    if (!page)
      return page.error();
    for (const auto& sample : page->samples) {
      after = sample.address;
      if (!status.empty() && to_string(sample.status) != status)
        continue;
      const auto& names = sample.address.task < scorers.size() ? scorers[sample.address.task] : none;
      if (with_answers) {
        auto found = view.find_response(run.spec.id, sample.address);
        if (!found)
          return found.error();
        out.items.push_back(sample_to_json(sample, *found ? &**found : nullptr, names));
      } else {
        out.items.push_back(sample_to_json(sample, names));
      }
      add_names(out.items.back(), run.spec, sample.address);
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
  auto read = [run = std::move(*run), after, limit = static_cast<size_t>(context.integer("limit")),
               status = context.text("status"), answers = context.flag("include_answers")](
                  storage::snapshot& view) { return read_samples(view, run, after, limit, status, answers); };
  auto page = co_await context.edge.read_later(std::move(read));
  if (!page)
    co_return page.error();
  const auto next = page->next ? json(cursor_of(*page->next)) : json(nullptr);
  co_return context.answer(
      {{"evaluation_id", to_string(*id)}, {"items", std::move(page->items)}, {"next_cursor", next}});
}

void add_schemas(schema_set& schemas) {
  schemas.add("Result", R"({
    "type": "object",
    "properties": {
      "evaluation_id": {"type": "string"}, "model_id": {"type": "string"},
      "task_results": {
        "type": "array",
        "items": {
          "type": "object",
          "properties": {
            "task_id": {"type": "string"}, "status": {"type": "string"},
            "score": {"type": ["number", "null"]},
            "metrics": {"type": "object"},
            "execution_time": {"type": ["number", "null"], "description": "Seconds on the clock from its first call to its last answer."},
            "output": {"type": ["string", "null"], "description": "With include_details."},
            "error_message": {"type": ["string", "null"]}
          }
        }
      },
      "summary_metrics": {
        "type": "object",
        "properties": {
          "overall_score": {"type": ["number", "null"], "description": "Plain mean of the tasks' scores."},
          "average_execution_time": {"type": ["number", "null"], "description": "Seconds; mean over the tasks."}
        }
      },
      "completed_at": {"type": ["string", "null"], "format": "date-time"},
      "execution_time": {"type": ["number", "null"], "description": "Seconds."},
      "output": {"$ref": "#/components/schemas/Output"}
    },
    "required": ["evaluation_id", "model_id", "task_results", "summary_metrics", "completed_at", "execution_time"]
  })");
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

query_parameter flag(const char* name, const char* summary) {
  query_parameter out;
  out.name = name;
  out.type = parameter_type::flag;
  out.summary = summary;
  out.fallback = "false";
  return out;
}

} // namespace

void add_result_routes(route_table& table) {
  add_schemas(table.schemas());

  route one;
  one.path = "/results/{id}";
  one.tag = "results";
  one.summary = "The result of a completed evaluation";
  one.details = "409 while it runs, 404 when it ended without a result.";
  one.response_schema = "Result";
  one.handler = &find;
  one.query = {flag("include_details", "With outputs")};
  table.add(std::move(one));

  route samples;
  samples.path = "/results/{id}/samples";
  samples.tag = "results";
  samples.summary = "The samples of an evaluation, finished ones while it runs too";
  samples.response_schema = "SampleList";
  samples.handler = &list_samples;
  samples.query = {
      query_parameter{"limit", parameter_type::integer, "Samples on a page", "100", 1, 500, {}, 256, false}};
  query_parameter cursor;
  cursor.name = "cursor";
  cursor.summary = "next_cursor of the page before";
  samples.query.push_back(std::move(cursor));
  query_parameter status;
  status.name = "status";
  status.type = parameter_type::choice;
  status.choices = {"answered", "scored", "failed"};
  status.summary = "Only these; a page may be short and still have a next one";
  samples.query.push_back(std::move(status));
  samples.query.push_back(flag("include_answers", "With prompt, answer, timing and retries"));
  table.add(std::move(samples));
}

} // namespace assay::server
