#include "server/body_source.hpp"
#include "server/request_context.hpp"
#include "server/routes/families.hpp"
#include "server/routes/shared.hpp"
#include "server/services.hpp"
#include "storage/run_export.hpp"

#include <nlohmann/json.hpp>
#include <spdlog/spdlog.h>

#include <charconv>

namespace assay::server {

namespace {

using json = nlohmann::json;
template <class T>
using awaitable = boost::asio::awaitable<T>;

/// What goes out in one piece at least, but at the end.
constexpr size_t piece_bytes = size_t{64} << 10;
/// A piece may take this many steps: each reads a page, and other readers have to have their turn.
constexpr size_t piece_steps = 50;

struct export_piece {
  std::string text;
  bool more = true;
};

result<export_piece> next_piece(storage::run_export& reading) {
  export_piece out;
  for (size_t i = 0; i < piece_steps && out.more && out.text.size() < piece_bytes; ++i) {
    const auto stepped = reading.step(out.text);
    if (!stepped)
      return stepped.error();
    out.more = *stepped;
  }
  return out;
}

/// Reads on only when the caller has taken what came before, so that memory is bounded by a piece.
class export_source final : public body_source {
public:
  export_source(std::shared_ptr<storage::run_export> reading, edge_services& edge)
      : reading_(std::move(reading)), edge_(edge) {}

  awaitable<std::string> next() override {
    std::string out;
    while (out.empty() && more_) {
      auto work = [reading = reading_] { return next_piece(*reading); };
      auto piece = co_await edge_.readers.run(std::move(work));
      if (!piece) {
        edge_.log.warn("an export was broken off reason=\"{}\"", to_string(piece.error()));
        more_ = false;
        broken_ = true;
        co_return std::string{};
      }
      out = std::move(piece->text);
      more_ = piece->more;
    }
    co_return out;
  }

  bool broken() const override { return broken_; }

private:
  const std::shared_ptr<storage::run_export> reading_;
  edge_services& edge_;
  bool more_ = true;
  bool broken_ = false;
};

/// @returns the result document, computed where there is none; empty when nothing was done yet. Blocks.
result<std::string> document_of(const std::shared_ptr<storage::store>& store, const run_record& run,
                                const std::function<result<std::string>(const run_record&)>& compute) {
  {
    auto view = storage::snapshot::open(store);
    if (!view)
      return view.error();
    auto stored = view->find_result(run.spec.id);
    if (!stored)
      return stored.error();
    if (*stored)
      return std::move(**stored);
  }
  return compute && run.progress.done > 0 ? compute(run) : std::string{};
}

result<double> pass_score_in(const request_context& context) {
  const auto text = context.text("pass_score");
  double out = 1;
  if (text.empty())
    return out;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || end != text.data() + text.size())
    return fault{errc::invalid_argument, "must be a number, not '" + text + "'", "pass_score", {}};
  return out;
}

result<std::optional<reports::export_unit>> unit_in(const request_context& context, const run_record& run) {
  const auto task = context.text("task");
  const auto type = context.text("prompt_type");
  if (task.empty() && type.empty())
    return std::optional<reports::export_unit>{};
  std::string known;
  for (const auto& unit : reports::units_of(run)) {
    const auto& name = run.spec.tasks[unit.task].id.value;
    const auto variant =
        unit.variant < run.spec.prompt_types.size() ? run.spec.prompt_types[unit.variant] : std::string{};
    if ((task.empty() || task == name) && (type.empty() || type == variant))
      return std::optional{unit};
    known += (known.empty() ? "" : ", ") + name + (variant.empty() ? "" : " with " + variant);
  }
  return fault{errc::invalid_argument, "the evaluation has no such task and prompt type",
               task.empty() ? "prompt_type" : "task", "it has " + known};
}

result<reports::export_options> options_in(const request_context& context, const run_record& run) {
  reports::export_options out;
  const auto format = reports::export_format_from_string(context.text("format"));
  if (!format)
    return fault{errc::invalid_argument, "is no format", "format", {}};
  out.format = *format;
  const auto unit = unit_in(context, run);
  if (!unit)
    return unit.error();
  out.unit = *unit;
  out.samples_part = context.text("part") == "samples";
  if (out.samples_part && out.format != reports::export_format::lm_eval)
    return fault{errc::invalid_argument, "only lm-eval has parts", "part", "leave it out"};
  const auto pass_score = pass_score_in(context);
  if (!pass_score)
    return pass_score.error();
  out.pass_score = *pass_score;
  return out;
}

std::string file_name(const run_record& run, const reports::export_options& options) {
  for (const auto& file : reports::export_files(run, options)) {
    const bool is_it = file.options.samples_part == options.samples_part
                       && (!options.unit || !file.options.unit || *file.options.unit == *options.unit);
    if (is_it)
      return file.name.substr(file.name.rfind('/') + 1);
  }
  return to_string(run.spec.id);
}

using shared_export = std::shared_ptr<storage::run_export>;

awaitable<result<response>> export_result(request_context& context) {
  auto id = run_id_in_path(context);
  if (!id)
    co_return id.error();
  auto run = readable_run(context, *id);
  if (!run)
    co_return run.error();
  const auto options = options_in(context, *run);
  if (!options)
    co_return options.error();
  response out;
  out.content_type = reports::media_type(options->format, options->samples_part);
  out.headers.push_back(
      {"Content-Disposition", "attachment; filename=\"" + file_name(*run, *options) + "\""});
  auto work = [store = context.edge.store, record = std::move(*run), wanted = *options,
               version = context.edge.options.version,
               compute = context.edge.options.compute_result]() mutable -> result<shared_export> {
    auto document = document_of(store, record, compute);
    if (!document)
      return document.error();
    reports::report_facts facts;
    facts.run = std::move(record);
    facts.result = std::move(*document);
    facts.version = version;
    auto opened = storage::run_export::open(store, std::move(facts), wanted);
    if (!opened)
      return opened.error();
    return shared_export(std::move(*opened));
  };
  auto reading = co_await context.edge.readers.run(std::move(work));
  if (!reading)
    co_return reading.error();
  auto source = std::make_shared<export_source>(std::move(*reading), context.edge);
  out.source = std::move(source);
  co_return std::move(out);
}

query_parameter text(const char* name, const char* summary) {
  query_parameter out;
  out.name = name;
  out.summary = summary;
  return out;
}

query_parameter choice(const char* name, const char* summary, std::vector<std::string> choices) {
  auto out = text(name, summary);
  out.type = parameter_type::choice;
  out.fallback = choices.front();
  out.choices = std::move(choices);
  return out;
}

} // namespace

void add_export_routes(route_table& table) {
  route one;
  one.path = "/results/{id}/export";
  one.tag = "results";
  one.summary =
      "An evaluation as a file: JSON, JSONL, CSV, lm-eval, EvalLog, JUnit, promptfoo or an HTML report";
  one.details =
      "The body comes in chunks while the evaluation is read; one that ends without the last chunk is not "
      "whole. evallog and the samples of lm-eval have a file for each task: name one.";
  one.response_type = "application/octet-stream";
  one.handler = &export_result;
  one.query = {choice("format", "The form",
                      {"json", "jsonl", "csv", "lm-eval", "evallog", "junit", "html", "promptfoo"}),
               choice("part", "Of lm-eval: the file of results, or that of samples", {"results", "samples"}),
               text("task", "Only this task"), text("prompt_type", "Only this prompt type"),
               text("pass_score", "Of junit and promptfoo: a sample with less has failed; 1 when not given")};
  table.add(std::move(one));
}

} // namespace assay::server
