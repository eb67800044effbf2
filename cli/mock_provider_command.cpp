#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/load_settings.hpp"
#include "cli/parse.hpp"
#include "cli/signals.hpp"
#include "mock/server.hpp"

#include <csignal>
#include <memory>

namespace assay::cli {

namespace {

struct mock_flags {
  mock::options options;
  std::string latency = "fixed:0";
  std::vector<std::string> keys;
  std::vector<std::string> exhausted_keys;
  std::vector<std::string> faults;
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
  for (const auto& text : flags.faults) {
    const auto rules = fault_rules_json(text);
    if (!rules)
      return rules.error();
    const auto parsed = mock::parse_fault_rules(*rules);
    if (!parsed)
      return parsed.error();
    out.faults.insert(out.faults.end(), parsed->begin(), parsed->end());
  }
  if (auto added = add_models(flags, out); !added)
    return added.error();
  out.task_folders.assign(flags.folders.begin(), flags.folders.end());
  if (out.task_folders.empty()) {
    const auto settings = load_settings(context);
    if (!settings)
      return settings.error();
    out.task_folders.assign(settings->tasks_dirs.begin(), settings->tasks_dirs.end());
  }
  if (auto wrong = mock::validate(out))
    return *wrong;
  return out;
}

exit_code provide(command_context& context, const mock_flags& flags) {
  auto options = options_from(context, flags);
  if (!options)
    return report(context, options.error());
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

} // namespace

void add_mock_provider_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<mock_flags>();
  flags->options.port = 8377;
  auto* sub =
      app.add_subcommand("mock-provider", "Run a provider of simulated models that speaks OpenAI's protocol");
  auto& options = flags->options;
  sub->add_option("--host", options.host, "Where to listen")->capture_default_str();
  sub->add_option("--port", options.port, "0 takes any free port")->capture_default_str();
  sub->add_option("--port-file,--port_file", flags->port_file, "Gets the port once it listens");
  sub->add_option("--threads", options.threads, "Threads that serve")->capture_default_str();
  sub->add_option("--seed", options.seed, "Decides every draw")->capture_default_str();
  sub->add_option("--latency", flags->latency,
                  "fixed:50ms, uniform:10ms-90ms, lognormal:MEDIAN,P95 or exponential:MEAN")
      ->capture_default_str();
  sub->add_option("--rpm", options.limits.requests_per_minute, "Requests per minute and key; 0 is no limit");
  sub->add_option("--tpm", options.limits.tokens_per_minute, "Tokens per minute and key; 0 is no limit");
  sub->add_option("--concurrency", options.limits.concurrent_requests,
                  "Calls at once per key; 0 is no limit");
  sub->add_option("--burst", flags->burst, "Seconds' worth of a limit that may be used at once")
      ->capture_default_str();
  sub->add_flag("--per-model,--per_model", options.limits.per_model, "Count limits per model of a key");
  repeatable(*sub, "--api-key,--api_key", flags->keys, "A key to accept; without any, all are accepted");
  repeatable(*sub, "--exhausted-key,--exhausted_key", flags->exhausted_keys, "A key that has no credit left");
  repeatable(*sub, "--fault", flags->faults, "KIND:name=value,... or JSON or @FILE; kinds are listed below");
  sub->add_option("--record", flags->record, "Append a JSON line per event of a call to this file");
  repeatable(*sub, "--tasks-dir,--tasks_dir", flags->folders,
             "A folder of tasks whose prompts the models know; default: the configured ones");
  repeatable(*sub, "-m,--model", flags->models, "One more model, NAME=ACCURACY");
  sub->add_option("--models", flags->models_file, "More models, a JSON file");
  sub->add_option("--unknown-accuracy,--unknown_accuracy", flags->unknown_accuracy,
                  "Accuracy of models of any other name; without it they are not found");
  std::string kinds;
  for (auto kind = mock::fault_kind::status; kind <= mock::fault_kind::stream_error;
       kind = static_cast<mock::fault_kind>(static_cast<int>(kind) + 1))
    kinds += "  " + std::string(mock::to_string(kind)) + "\n";
  examples(*sub, "  assay mock-provider\n"
                 "  assay mock-provider --port 0 --port-file mock.port --latency lognormal:60ms,200ms\n"
                 "  assay mock-provider --rpm 600 --fault status:status=503,every=20\n"
                 "  assay mock-provider --model careful=0.97 --api-key test-key\n\n"
                 "Models: sim-strong, sim-weak, sim-flaky, sim-fast, and sim-pNN, right in NN %.\n"
                 "Kinds of faults:\n"
                     + kinds);
  sub->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return provide(c, *flags); }; });
}

} // namespace assay::cli
