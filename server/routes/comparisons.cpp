#include "core/stats/comparison.hpp"
#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/routes/shared.hpp"
#include "server/services.hpp"
#include "storage/score_reader.hpp"

#include <nlohmann/json.hpp>

#include <charconv>

namespace assay::server {

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;

constexpr size_t most_runs = 8;

result<std::vector<run_id>> runs_in(const std::string& text) {
  std::vector<run_id> out;
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto end = std::min(rest.find(','), rest.size());
    const auto name = rest.substr(0, end);
    const auto id = run_id_from_string(name);
    if (!id)
      return fault{errc::invalid_argument, "'" + std::string(name) + "' is no evaluation's id", "runs",
                   "ids look like eval_1234567890_abcd1234, with commas between them"};
    out.push_back(*id);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (out.size() < 2 || out.size() > most_runs)
    return fault{errc::invalid_argument, "two to eight evaluations can be compared", "runs", {}};
  return out;
}

result<double> level_in(const std::string& text) {
  double level = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), level);
  if (error != std::errc{} || end != text.data() + text.size() || !(level >= 0.5 && level <= 0.9999))
    return fault{errc::invalid_argument, "expected a number, 0.5 to 0.9999", "confidence", {}};
  return level;
}

/// Reads page by page, so that no view of the store gets old and other readers get their turn.
awaitable<result<stats::run_scores>> read_scores(request_context& context, const run_record& run,
                                                 const storage::score_choice& choice) {
  auto started = storage::score_reader::start(run, choice);
  if (!started)
    co_return started.error();
  const auto reader = std::make_shared<storage::score_reader>(std::move(*started));
  for (;;) {
    auto read = [reader](storage::snapshot& view) { return reader->read_page(view); };
    const auto more = co_await context.edge.read_later(std::move(read));
    if (!more)
      co_return more.error();
    if (!*more)
      co_return reader->take();
  }
}

awaitable<result<response>> compare(request_context& context) {
  const auto ids = runs_in(context.text("runs"));
  if (!ids)
    co_return ids.error();
  stats::comparison_options options;
  const auto level = level_in(context.text("confidence"));
  if (!level)
    co_return level.error();
  options.level = *level;
  options.seed = static_cast<uint64_t>(context.integer("seed"));
  // All of them first: nothing is read for a caller who may not see one.
  std::vector<run_record> runs;
  for (const auto id : *ids) {
    auto run = readable_run(context, id);
    if (!run)
      co_return run.error();
    runs.push_back(std::move(*run));
  }
  const bool with_contents = storage::have_different_datasets(runs, context.text("task"));
  auto scores = std::make_shared<std::vector<stats::run_scores>>();
  for (const auto& run : runs) {
    const storage::score_choice choice{context.text("task"), context.text("scorer"), with_contents};
    auto read = co_await read_scores(context, run, choice);
    if (!read)
      co_return read.error();
    scores->push_back(std::move(*read));
  }
  auto work = [scores, options]() -> result<stats::comparison> {
    return stats::compare_runs(*scores, options);
  };
  const auto found = co_await context.edge.readers.run(std::move(work));
  if (!found)
    co_return found.error();
  co_return context.answer(stats::to_json(*found));
}

void add_schemas(schema_set& schemas) {
  schemas.add("PairedComparison", R"({
    "type": "object",
    "description": "Two evaluations on the samples that both scored; differences are second - first.",
    "properties": {
      "first": {"type": "string"}, "second": {"type": "string"},
      "task_id": {"type": ["string", "null"]}, "prompt_type": {"type": ["string", "null"]},
      "pairs": {"type": "integer"},
      "unmatched_first": {"type": "integer"}, "unmatched_second": {"type": "integer"},
      "unmatched_samples": {"type": "array", "items": {"type": "string"}, "description": "TASK:PROMPT:ROW, ten at most."},
      "first_score": {"type": ["number", "null"]}, "second_score": {"type": ["number", "null"]},
      "difference": {"type": ["number", "null"]}, "stderr": {"type": ["number", "null"]},
      "confidence_interval": {"type": ["object", "null"]}, "bootstrap_interval": {"type": ["object", "null"]},
      "test": {"type": "string", "enum": ["none", "mcnemar_exact", "paired_t", "normal"]},
      "p": {"type": ["number", "null"]},
      "p_adjusted": {"type": ["number", "null"], "description": "Holm's correction over all comparisons, or over all of overall."},
      "only_first_right": {"type": ["integer", "null"]}, "only_second_right": {"type": ["integer", "null"]},
      "odds_ratio": {"type": ["number", "null"]}, "effect_size": {"type": ["number", "null"], "description": "Cohen's d of the pairs."},
      "minimum_detectable_effect": {"type": ["number", "null"], "description": "With a power of 0.8."},
      "finding": {"type": "string", "enum": ["unclear", "better", "worse"]}
    },
    "required": ["first", "second", "pairs", "difference", "p", "p_adjusted", "finding"]
  })");
  schemas.add("Comparison", R"({
    "type": "object",
    "properties": {
      "runs": {"type": "array", "items": {"type": "object"}},
      "comparisons": {"type": "array", "items": {"$ref": "#/components/schemas/PairedComparison"}},
      "overall": {"type": "array", "items": {"$ref": "#/components/schemas/PairedComparison"}},
      "notes": {"type": "array", "items": {"type": "string"}, "description": "What could not be compared, and why; where rows of different datasets were matched by what they ask."},
      "confidence_level": {"type": "number"}, "correction": {"type": "string"}, "seed": {"type": "integer"}
    },
    "required": ["runs", "comparisons", "overall", "notes"]
  })");
}

query_parameter text_parameter(const char* name, const char* summary, const char* fallback = "") {
  query_parameter out;
  out.name = name;
  out.summary = summary;
  out.fallback = fallback;
  return out;
}

} // namespace

void add_comparison_routes(route_table& table) {
  add_schemas(table.schemas());
  route one;
  one.path = "/comparisons";
  one.tag = "results";
  one.summary = "Compare evaluations on the samples that both scored";
  one.details = "Each evaluation with each, the earlier in `runs` being the first of its pair.";
  one.response_schema = "Comparison";
  one.handler = &compare;
  one.query = {text_parameter("runs", "Two to eight ids, with commas between them"),
               text_parameter("task", "Only this task"),
               text_parameter("scorer", "This scorer's values, not the task's score"),
               text_parameter("confidence", "Level of the intervals", "0.95")};
  query_parameter seed;
  seed.name = "seed";
  seed.type = parameter_type::integer;
  seed.summary = "Of the bootstrap";
  seed.fallback = "1";
  one.query.push_back(std::move(seed));
  table.add(std::move(one));
}

} // namespace assay::server
