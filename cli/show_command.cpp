#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/load_settings.hpp"
#include "cli/parse.hpp"
#include "cli/run_report.hpp"
#include "core/values/closest_word.hpp"
#include "storage/result_files.hpp"
#include "storage/snapshot.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <memory>

namespace assay::cli {

namespace {

using nlohmann::json;

constexpr auto replace = json::error_handler_t::replace;

struct show_flags {
  std::string run;
  std::string sample;
  bool failed = false;
  bool wrong = false;
  size_t limit = 50;
};

std::string text_of(const json& sample, const char* name) {
  const auto found = sample.find(name);
  return found != sample.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

/// `task:variant:row`, with the epoch when it is not the first.
std::string name_of(const json& sample) {
  auto out = text_of(sample, "task_id") + ":" + text_of(sample, "prompt_type") + ":"
             + std::to_string(sample.value("sample", 0U));
  if (const auto epoch = sample.value("epoch", 0U); epoch > 0)
    out += ":" + std::to_string(epoch);
  return out;
}

/// Its code and, where it was kept, what was said.
std::string error_of(const json& sample) {
  auto out = text_of(sample, "error");
  if (const auto message = text_of(sample, "error_message"); !message.empty())
    out += ": " + message;
  return on_one_line(out);
}

/// The first scorer's verdict.
std::string extracted_of(const json& sample) {
  const auto scores = sample.find("scores");
  if (scores == sample.end() || !scores->is_object() || scores->empty())
    return {};
  return scores->begin()->value("extracted", std::string{});
}

std::optional<double> score_of(const json& sample) {
  const auto found = sample.find("score");
  return found != sample.end() && found->is_number() ? std::optional{found->get<double>()} : std::nullopt;
}

bool wanted(const json& sample, const show_flags& flags) {
  if (flags.failed && text_of(sample, "status") != "failed")
    return false;
  return !flags.wrong || score_of(sample).value_or(1) < 1;
}

exit_code list_samples(command_context& context, const show_flags& flags,
                       const std::shared_ptr<storage::store>& from, const run_record& record) {
  json found = json::array();
  bool more = false;
  const auto walked = storage::for_each_sample(from, record, std::nullopt, [&](const json& sample) {
    if (!wanted(sample, flags))
      return true;
    more = found.size() >= flags.limit;
    if (!more)
      found.push_back(sample);
    return !more;
  });
  if (!walked)
    return report(context, walked.error());
  if (context.flags.json) {
    print(json{{"evaluation_id", to_string(record.spec.id)}, {"samples", std::move(found)}, {"more", more}}
              .dump(2, ' ', false, replace)
          + "\n");
    return exit_code::ok;
  }
  table rows({{"sample", align::left, squeeze::whole},
              {"status", align::left, squeeze::whole},
              {"score", align::right},
              {"time", align::right, squeeze::spare},
              {"tries", align::right, squeeze::spare},
              {"extracted"},
              {"target"},
              {"error"}});
  for (const auto& sample : found)
    rows.add({name_of(sample), text_of(sample, "status"), show_number(score_of(sample), 2),
              to_human(milliseconds{sample.value("duration_ms", int64_t{0})}),
              std::to_string(sample.value("tries", 0U)), cut_to_width(on_one_line(extracted_of(sample)), 24),
              cut_to_width(on_one_line(text_of(sample, "target")), 24), cut_to_width(error_of(sample), 100)});
  print(rows.render(context.out, context.out.columns));
  if (more)
    remark(context, "only the first " + show_count(flags.limit) + " are shown; --limit shows more");
  return exit_code::ok;
}

std::optional<uint16_t> index_of(const std::string& name, const std::vector<std::string>& names) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end())
    return static_cast<uint16_t>(found - names.begin());
  uint16_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (name.empty() || error != std::errc{} || end != name.data() + name.size() || number >= names.size())
    return std::nullopt;
  return number;
}

fault unknown_name(const char* what, const std::string& name, const std::vector<std::string>& names) {
  const std::vector<std::string_view> views(names.begin(), names.end());
  auto hint = did_you_mean(name, views);
  if (hint.empty())
    for (const auto& one : names)
      hint += (hint.empty() ? "it has " : ", ") + one;
  return {errc::not_found, std::string("the run has no ") + what + " " + name, "SAMPLE", hint};
}

result<sample_address> find_address(const run_record& record, const sample_name& name) {
  std::vector<std::string> tasks;
  for (const auto& task : record.spec.tasks)
    tasks.push_back(task.id.value);
  const auto task = index_of(name.task, tasks);
  if (!task)
    return unknown_name("task", name.task, tasks);
  const auto variant = index_of(name.variant, record.spec.prompt_types);
  if (!variant)
    return unknown_name("prompt type", name.variant, record.spec.prompt_types);
  return sample_address{*task, *variant, name.row, name.epoch, 0, 0};
}

/// One sample with every try of its newest generation.
struct found_sample {
  sample_record record;
  std::vector<response_record> responses;
};

result<found_sample> find_sample(const std::shared_ptr<storage::store>& from, const run_record& run,
                                 sample_address address) {
  auto view = storage::snapshot::open(from);
  if (!view)
    return view.error();
  for (uint16_t generation = run.generation + 1; generation-- > 0;) {
    address.generation = generation;
    auto sample = view->find_sample(run.spec.id, address);
    if (!sample)
      return sample.error();
    if (!*sample)
      continue;
    auto responses = view->find_responses(run.spec.id, address);
    if (!responses)
      return responses.error();
    return found_sample{std::move(**sample), std::move(*responses)};
  }
  return fault{errc::not_found, "this sample has not been answered", "SAMPLE",
               "`assay show RUN` lists those that have"};
}

std::string show_timing(const call_timing& timing) {
  const auto part = [](const char* name, microseconds time) {
    return std::string(name) + " " + show_number(static_cast<double>(time.count()) / 1000.0, 1) + " ms";
  };
  return part("waiting line", timing.queued) + ", " + part("limiter", timing.limiter) + ", "
         + part("connect", timing.connect) + ", " + part("first byte", timing.first_byte) + ", "
         + part("transfer", timing.transfer) + ", " + part("local lag", timing.local_lag);
}

void print_section(const terminal& out, const char* title, std::string_view text) {
  print(paint(out, colour::bold, title) + "\n" + as_block(text, 2) + "\n\n");
}

void print_response(const terminal& out, const response_record& response) {
  if (!response.prompt.empty())
    print_section(out, "prompt", response.prompt.view());
  print_section(out, "answer", response.answer.view());
  print_section(out, "target", response.target.view());
  table rows({{""}, {"call"}});
  rows.add({"time", show_timing(response.timing)});
  rows.add({"tokens", show_count(response.usage.prompt_tokens) + " in, "
                          + show_count(response.usage.completion_tokens) + " out"
                          + (response.usage_estimated ? " (estimated)" : "")});
  rows.add({"cost", response.cost ? to_string(*response.cost) : "unknown"});
  rows.add({"finish", std::string(to_string(response.finish))});
  rows.add({"served by", on_one_line(response.served_model) + (response.simulated ? " (simulated)" : "")});
  rows.add({"request id", on_one_line(response.request_id)});
  rows.add({"finished", to_rfc3339(response.finished_at)});
  if (response.error)
    rows.add({"error", std::string(to_string(*response.error)) + ": " + on_one_line(response.error_message)});
  for (size_t i = 0; i < response.failures.size(); ++i) {
    const auto& attempt = response.failures[i];
    // The last failure of a sample that has failed was not followed by another try.
    const bool is_last = response.error && i + 1 == response.failures.size();
    rows.add({"try " + std::to_string(i + 1),
              std::string(to_string(attempt.error))
                  + (attempt.http_status > 0 ? " " + std::to_string(attempt.http_status) : "")
                  + (attempt.possibly_billed ? ", possibly billed" : "")
                  + (is_last ? ", given up" : ", tried again after " + to_human(attempt.waited)) + ": "
                  + on_one_line(attempt.message)});
  }
  print(rows.render(out));
}

exit_code show_sample(command_context& context, const std::shared_ptr<storage::store>& from,
                      const run_record& run, const std::string& text) {
  const auto name = parse_sample_name(text);
  if (!name)
    return report(context, name.error());
  const auto address = find_address(run, *name);
  if (!address)
    return report(context, address.error());
  const auto found = find_sample(from, run, *address);
  if (!found)
    return report(context, found.error());
  const auto& scorers = run.spec.tasks[address->task].scorer_names;
  if (context.flags.json) {
    const auto* last = found->responses.empty() ? nullptr : &found->responses.back();
    print(sample_to_json(found->record, last, scorers).dump(2, ' ', false, replace) + "\n");
    return exit_code::ok;
  }
  table rows({{""}, {text}});
  rows.add({"run", to_string(run.spec.id) + ", model " + run.spec.model.value});
  rows.add(
      {"status", std::string(to_string(found->record.status))
                     + (found->record.error ? ": " + std::string(to_string(*found->record.error)) : "")});
  for (const auto& score : found->record.scores)
    rows.add(
        {score.scorer < scorers.size() ? scorers[score.scorer] : "scorer " + std::to_string(score.scorer),
         show_number(score.value, 3) + "  extracted: " + on_one_line(score.extracted)});
  rows.add({"tries", std::to_string(found->record.tries)
                         + (found->record.possibly_billed ? ", possibly billed" : "")});
  rows.add({"time", to_human(found->record.duration) + ", with all tries; without waiting line and limiter"});
  print(rows.render(context.out) + "\n");
  for (const auto& response : found->responses)
    print_response(context.out, response);
  return exit_code::ok;
}

exit_code show(command_context& context, const show_flags& flags) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto store = open_store_read_only(*settings);
  if (!store)
    return report(context, store.error());
  const auto id = find_run_named(*store, flags.run);
  if (!id)
    return report(context, id.error());
  std::optional<run_record> record;
  {
    auto view = storage::snapshot::open(*store);
    if (!view)
      return report(context, view.error());
    auto found = view->find_run(*id);
    if (!found)
      return report(context, found.error());
    record = std::move(*found);
  }
  if (!record)
    return report(context, {errc::not_found, "there is no run " + to_string(*id), {}, {}});
  return flags.sample.empty() ? list_samples(context, flags, *store, *record)
                              : show_sample(context, *store, *record, flags.sample);
}

} // namespace

void add_show_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<show_flags>();
  auto* sub =
      app.add_subcommand("show", "Show single answers: prompt, answer, score, timing, cost and retries");
  sub->add_option("RUN", flags->run, "An id, the beginning or end of one, or `last`")->required();
  sub->add_option("SAMPLE", flags->sample, "TASK:VARIANT:ROW[:EPOCH]; without it the samples are listed");
  sub->add_flag("--failed", flags->failed, "Only samples that failed");
  sub->add_flag("--wrong", flags->wrong, "Only samples with a score below 1");
  sub->add_option("-n,--limit", flags->limit, "Samples at most in the list")
      ->check(number_of_rows())
      ->capture_default_str();
  examples(*sub,
           "  assay show last\n  assay show last --wrong --limit 10\n"
           "  assay show last date_reasoning:baseline:3\n  assay show last date_reasoning:cot:3 --json\n");
  sub->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return show(c, *flags); }; });
}

} // namespace assay::cli
