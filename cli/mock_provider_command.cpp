#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/load_settings.hpp"
#include "cli/parse.hpp"
#include "cli/signals.hpp"
#include "mock/server.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>

namespace assay::cli {

namespace {

struct mock_flags {
  mock::options options;
  std::string latency = "fixed:0";
  std::vector<std::string> keys;
  std::vector<std::string> exhausted_keys;
  std::vector<std::string> faults;
  std::vector<std::string> limits;
  std::string stream_gap = "0ms";
  std::string batch_time = "2s";
  std::string batch_window = "24h";
  std::vector<std::string> models;
  std::string models_file;
  std::vector<std::string> folders;
  std::string port_file;
  std::string record;
  uint32_t burst = 60;
  double unknown_accuracy = -1;
};

result<void> add_models(const mock_flags& flags, mock::options& out) {
  if (!flags.models_file.empty()) {
    const auto text = read_file(flags.models_file);
    if (!text)
      return text.error();
    auto models = mock::parse_models(*text);
    if (!models)
      return models.error();
    out.models.insert(out.models.end(), models->begin(), models->end());
  }
  for (const auto& text : flags.models) {
    const auto named = parse_simulated_model(text);
    if (!named)
      return named.error();
    mock::simulated_model model;
    model.name = named->first;
    model.accuracy = named->second;
    std::erase_if(out.models, [&](const auto& known) { return known.name == model.name; });
    out.models.push_back(std::move(model));
  }
  return {};
}

/// Reads each text with @p to_json and @p parse and adds what it says to @p out.
template <class Rule>
result<void> add_rules(const std::vector<std::string>& texts,
                       result<std::string> (*to_json)(std::string_view),
                       result<std::vector<Rule>> (*parse)(std::string_view), std::vector<Rule>& out) {
  for (const auto& text : texts) {
    const auto rules = to_json(text);
    if (!rules)
      return rules.error();
    const auto parsed = parse(*rules);
    if (!parsed)
      return parsed.error();
    out.insert(out.end(), parsed->begin(), parsed->end());
  }
  return {};
}

result<void> add_times(const mock_flags& flags, mock::options& out) {
  const auto gap = parse_duration(flags.stream_gap);
  if (!gap)
    return gap.error();
  out.stream_gap = *gap;
  const auto time = parse_duration(flags.batch_time);
  if (!time)
    return time.error();
  out.batch_time = *time;
  const auto window = parse_duration(flags.batch_window);
  if (!window)
    return window.error();
  out.batch_window = *window;
  return {};
}

/// The named folders, then the configured ones, the shipped tasks among them.
result<std::vector<std::filesystem::path>> task_folders(const command_context& context,
                                                        const mock_flags& flags) {
  std::vector<std::filesystem::path> out;
  std::error_code unreadable;
  for (const auto& folder : flags.folders) {
    if (!std::filesystem::exists(folder, unreadable))
      return fault{errc::not_found, "there is no folder " + folder, "--tasks-dir", "name a folder of tasks"};
    out.emplace_back(folder);
  }
  const auto settings = load_settings(context);
  if (!settings)
    return settings.error();
  for (const auto& folder : settings->tasks_dirs)
    if (std::ranges::none_of(
            out, [&](const auto& named) { return std::filesystem::equivalent(named, folder, unreadable); }))
      out.emplace_back(folder);
  return out;
}

constexpr size_t shown_prompt_bytes = 100;

std::string unknown_prompt_warning(std::string_view prompt) {
  return "warning: a question is in no task that the simulated models know, and they say that they do not "
         "know it: \""
         + on_one_line(prompt.substr(0, shown_prompt_bytes))
         + "\"; name the folder of its task with --tasks-dir (told once)";
}

result<mock::options> options_from(const command_context& context, const mock_flags& flags) {
  auto out = flags.options;
  const auto latency = latency_in_milliseconds(flags.latency);
  if (!latency)
    return latency.error();
  const auto model = mock::parse_latency(*latency);
  if (!model)
    return model.error();
  out.latency = *model;
  out.limits.burst = seconds{flags.burst};
  out.record = flags.record;
  for (const auto& key : flags.keys)
    out.keys.emplace_back(key);
  for (const auto& key : flags.exhausted_keys)
    out.exhausted_keys.emplace_back(key);
  if (flags.unknown_accuracy >= 0)
    out.unknown_model_accuracy = flags.unknown_accuracy;
  if (auto added = add_rules(flags.faults, fault_rules_json, mock::parse_fault_rules, out.faults); !added)
    return added.error();
  if (auto added = add_rules(flags.limits, limit_rules_json, mock::parse_limit_rules, out.limit_rules);
      !added)
    return added.error();
  if (auto read = add_times(flags, out); !read)
    return read.error();
  if (auto added = add_models(flags, out); !added)
    return added.error();
  auto folders = task_folders(context, flags);
  if (!folders)
    return folders.error();
  out.task_folders = std::move(*folders);
  if (auto wrong = mock::validate(out))
    return *wrong;
  return out;
}

exit_code provide(command_context& context, const mock_flags& flags) {
  if (auto good = check_port_file(flags.port_file); !good)
    return report(context, good.error());
  auto options = options_from(context, flags);
  if (!options)
    return report(context, options.error());
  options->on_unknown_prompt = [&context](std::string_view prompt) {
    remark(context, unknown_prompt_warning(prompt));
  };
  auto caught = signals::block();
  if (!caught)
    return report(context, caught.error());
  auto started = mock::server::start(std::move(*options));
  if (!started)
    return report(context, started.error());
  auto& server = **started;
  for (const auto& one : server.task_faults())
    remark(context, "warning: a task is unknown to the simulated models: " + to_string(one));
  if (!flags.port_file.empty())
    if (auto written = write_file_atomically(flags.port_file, std::to_string(server.port()) + "\n"); !written)
      return report(context, written.error());
  print("assay mock provider listens on " + server.base_url() + " (simulated answers, "
        + show_count(server.known_prompts()) + " prompts known)\n");
  std::fflush(stdout);
  std::optional<int> signal;
  while (!signal || *signal == SIGHUP)
    signal = (*caught)->wait(std::chrono::minutes{1});
  server.stop();
  server.join();
  return exit_code::ok;
}

std::string help_text() {
  std::string kinds;
  std::string line = "  ";
  for (const auto kind : mock::fault_kinds()) {
    const auto name = mock::to_string(kind);
    if (line.size() + name.size() > 100) {
      kinds += line + "\n";
      line = "  ";
    }
    line += std::string(name) + "  ";
  }
  kinds += line + "\n";
  return "  assay mock-provider\n"
         "  assay mock-provider --port 0 --port-file mock.port --latency lognormal:60ms,200ms\n"
         "  assay mock-provider --rpm 600 --fault status:status=503,every=20\n"
         "  assay mock-provider --model careful=0.97 --api-key test-key\n"
         "  assay mock-provider --limit model=sim-strong,rpm=60,itpm=20000 --limit rpm=600\n"
         "  assay mock-provider --fault "
         "'rate_limit:ms=2500,retry_after=ms,probability=0.05,path=/v1/messages'\n"
         "  assay mock-provider --stream-gap 20ms --batch-time 30s --batch-window 20s\n"
         "  curl -d '[{\"kind\":\"reset\",\"every\":7}]' http://127.0.0.1:8377/mock/faults\n\n"
         "Models: sim-strong, sim-weak, sim-flaky, sim-fast, and sim-pNN, right in NN %.\n"
         "Base URLs, all on the one port:\n"
         "  OpenAI        /v1                     chat, embeddings, models, files, batches\n"
         "  Azure OpenAI  /openai/v1, /openai/deployments/MODEL/...?api-version=2024-10-21\n"
         "  Anthropic     /                       /v1/messages, count_tokens, batches, models\n"
         "  Gemini        /v1beta                 models/MODEL:generateContent, embeddings, batches, files\n"
         "  OpenRouter    /openrouter/api/v1      DeepSeek  /deepseek      DashScope  /compatible-mode/v1\n"
         "Control: GET /mock/calls[?list=100&after=0], GET and POST /mock/limits and /mock/faults,\n"
         "  GET /mock/record?offset=0, POST /mock/reset\n"
         "A fault's members: status, ms, retry_after (usual, none, body, seconds, ms, date), path (a prefix; "
         "none:\n"
         "  every call of a model; batch:/v1 lines of batches), model, key, probability, every, calls, skip, "
         "times,\n"
         "  count, bytes. Kinds of faults:\n"
         + kinds;
}

} // namespace

void add_mock_provider_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<mock_flags>();
  flags->options.port = 8377;
  auto* sub = app.add_subcommand(
      "mock-provider",
      "Run a provider of simulated models that speaks OpenAI's, Anthropic's and Gemini's protocols");
  auto& options = flags->options;
  sub->add_option("--host", options.host, "Where to listen")->capture_default_str();
  sub->add_option("--port", options.port, "0 takes any free port")
      ->check(any_of_type<uint16_t>())
      ->capture_default_str();
  sub->add_option("--port-file,--port_file", flags->port_file, "Gets the port once it listens");
  sub->add_option("--threads", options.threads, "Threads that serve")
      ->check(any_of_type<unsigned>())
      ->capture_default_str();
  sub->add_option("--seed", options.seed, "Decides every draw")
      ->check(any_of_type<uint64_t>())
      ->capture_default_str();
  sub->add_option("--latency", flags->latency,
                  "fixed:50ms, uniform:10ms-90ms, lognormal:MEDIAN,P95 or exponential:MEAN")
      ->capture_default_str();
  sub->add_option("--tokens-per-second,--tokens_per_second", options.tokens_per_second,
                  "Speed of the models' answers, streamed or not; 0 is at once")
      ->check(CLI::Range(0.0, 1e6));
  sub->add_option("--stream-gap,--stream_gap", flags->stream_gap, "Between the frames of a stream, instead")
      ->capture_default_str();
  sub->add_option("--rpm", options.limits.requests_per_minute, "Requests per minute and key; 0 is no limit")
      ->check(any_of_type<uint32_t>());
  sub->add_option("--rps", options.limits.requests_per_second, "Requests per second and key")
      ->check(any_of_type<uint32_t>());
  sub->add_option("--tpm", options.limits.tokens_per_minute, "Tokens per minute and key")
      ->check(any_of_type<uint32_t>());
  sub->add_option("--itpm", options.limits.input_tokens_per_minute, "Input tokens per minute and key")
      ->check(any_of_type<uint32_t>());
  sub->add_option("--otpm", options.limits.output_tokens_per_minute, "Output tokens per minute and key")
      ->check(any_of_type<uint32_t>());
  sub->add_option("--concurrency", options.limits.concurrent_requests, "Calls at once per key")
      ->check(any_of_type<uint32_t>());
  sub->add_option("--burst", flags->burst, "Seconds' worth of a limit that may be used at once")
      ->check(any_of_type<uint32_t>())
      ->capture_default_str();
  sub->add_flag("--per-model,--per_model", options.limits.per_model, "Count limits per model of a key");
  repeatable(
      *sub, "--limit", flags->limits,
      "Limits of one key or model instead: name=value,... or JSON or @FILE; the first that fits counts");
  repeatable(*sub, "--api-key,--api_key", flags->keys,
             "A key to accept in any protocol; without one, every key and none is good");
  repeatable(*sub, "--exhausted-key,--exhausted_key", flags->exhausted_keys, "A key that has no credit left");
  repeatable(*sub, "--fault", flags->faults, "KIND:name=value,... or JSON or @FILE; kinds are listed below");
  sub->add_option("--batch-time,--batch_time", flags->batch_time, "From a batch's creation to its end")
      ->capture_default_str();
  sub->add_option("--batch-window,--batch_window", flags->batch_window, "A batch not done by then expires")
      ->capture_default_str();
  sub->add_option("--record", flags->record, "Append a JSON line per event of a call to this file");
  sub->add_option("--keep-calls,--keep_calls", options.kept_calls, "Calls that /mock/calls can list")
      ->capture_default_str();
  repeatable(*sub, "--tasks-dir,--tasks_dir", flags->folders,
             "One more folder of tasks whose prompts the models know, besides the configured ones");
  repeatable(*sub, "-m,--model", flags->models, "One more model, NAME=ACCURACY");
  sub->add_option("--models", flags->models_file, "More models, a JSON file");
  sub->add_option("--unknown-accuracy,--unknown_accuracy", flags->unknown_accuracy,
                  "Accuracy of models of any other name; without it they are not found")
      ->check(CLI::Range(0.0, 1.0));
  examples(*sub, help_text());
  sub->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return provide(c, *flags); }; });
}

} // namespace assay::cli
