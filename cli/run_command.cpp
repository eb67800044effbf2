#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/load_settings.hpp"
#include "cli/logging.hpp"
#include "cli/prompts.hpp"
#include "cli/run_end.hpp"
#include "cli/run_plan.hpp"
#include "cli/run_report.hpp"
#include "cli/run_session.hpp"
#include "config/load.hpp"

#include <nlohmann/json.hpp>

#include <set>
#include <type_traits>

namespace assay::cli {

namespace {

using nlohmann::json;

constexpr auto replace = json::error_handler_t::replace;

/// What belongs to people goes to standard error when standard output is JSON.
void tell(const command_context& context, const run_flags& flags, const std::string& text) {
  if (wants_json(context, flags))
    context.err->line(text);
  else
    print(text + "\n");
}

void show_configuration(const command_context& context, const run_flags& flags, const run_plan& plan) {
  json runs = json::array();
  for (const auto& run : plan.runs) {
    const auto& spec = run.admitted.record.spec;
    json tasks = json::object();
    for (const auto& task : spec.tasks)
      tasks[task.id.value] = {{"samples", task.sample_count}, {"generation", task.generation}};
    runs.push_back({{"model", spec.model.value},
                    {"provider", spec.provider.value},
                    {"wire_model", spec.wire_model},
                    {"base_url", run.base_url},
                    {"prompt_types", spec.prompt_types},
                    {"epochs", spec.epochs},
                    {"num_fewshot", spec.num_fewshot},
                    {"random_seed", spec.random_seed},
                    {"tasks", std::move(tasks)}});
  }
  const json shown{{"settings", config::dump(*plan.settings)}, {"evaluations", std::move(runs)}};
  tell(context, flags, shown.dump(2, ' ', false, replace));
}

void write_out_prompts(const command_context& context, const run_flags& flags, const run_plan& plan) {
  const auto& spec = plan.runs.front().admitted.record.spec;
  for (const auto& pinned : spec.tasks) {
    const auto task = plan.tasks->find(pinned.id);
    for (const auto& type : spec.prompt_types) {
      tasks::sample_options options;
      options.prompt_type = type;
      options.num_fewshot = spec.num_fewshot;
      options.seed = spec.random_seed;
      options.context_mode = spec.context_mode;
      const auto where = wants_json(context, flags) ? context.err->kind() : context.out;
      tell(context, flags, render_first_prompts(where, task, options));
    }
  }
}

exit_code show_plan(const command_context& context, const run_flags& flags, const run_plan& plan) {
  std::optional<money> total = money{};
  uint64_t calls = 0;
  json models = json::array();
  table rows({{"model", align::left, squeeze::whole},
              {"provider"},
              {"calls", align::right},
              {"likely cost", align::right},
              {"tasks"}});
  for (const auto& run : plan.runs) {
    const auto& admitted = run.admitted;
    const auto& spec = admitted.record.spec;
    calls += admitted.calls;
    total =
        total && admitted.estimated_cost ? std::optional{*total + *admitted.estimated_cost} : std::nullopt;
    std::string names;
    json tasks = json::array();
    for (const auto& task : spec.tasks) {
      names += (names.empty() ? "" : ", ") + task.id.value;
      tasks.push_back({{"task_id", task.id.value}, {"samples", task.sample_count}});
    }
    rows.add({spec.model.value + (run.simulated ? " (simulated)" : ""), spec.provider.value,
              show_count(admitted.calls),
              admitted.estimated_cost ? to_string(*admitted.estimated_cost) : "unknown", names});
    models.push_back(
        {{"model", spec.model.value},
         {"provider", spec.provider.value},
         {"simulated", run.simulated},
         {"execution", to_string(spec.way)},
         {"calls", admitted.calls},
         {"estimated_cost", admitted.estimated_cost ? json(to_dollars(*admitted.estimated_cost)) : json()},
         {"prompt_types", spec.prompt_types},
         {"tasks", std::move(tasks)},
         {"notes", admitted.notes}});
  }
  if (wants_json(context, flags)) {
    const json out{{"dry_run", true},
                   {"calls", calls},
                   {"estimated_cost", total ? json(to_dollars(*total)) : json()},
                   {"evaluations", std::move(models)}};
    print(out.dump(2, ' ', false, replace) + "\n");
    return exit_code::ok;
  }
  rows.add_rule();
  rows.add({"total", "", show_count(calls), total ? to_string(*total) : "unknown"});
  print(rows.render(context.out, context.out.columns));
  print("Nothing was sent.\n");
  return exit_code::ok;
}

void show_notes(const command_context& context, const run_plan& plan) {
  std::set<std::string> notes;
  for (const auto& run : plan.runs)
    for (const auto& note : run.admitted.notes)
      if (notes.insert(note).second)
        remark(context, "note: " + note);
}

result<void> check_mock(const run_plan& plan) {
  std::set<std::string> asked;
  for (const auto& run : plan.runs)
    if (run.simulated && asked.insert(run.base_url).second)
      if (auto there = check_mock_at(run.base_url); !there)
        return there;
  return {};
}

exit_code run(command_context& context, const run_flags& given) {
  const auto plan = plan_runs(context, given);
  if (!plan)
    return report(context, plan.error());
  const auto& flags = plan->flags;
  // Only now: until here Ctrl-C simply ends the process. The logger may start a thread, so it comes after.
  auto caught = signals::block();
  if (!caught)
    return report(context, caught.error());
  if (auto logging = start_logging(context, *plan->settings, "warn"); !logging)
    return report(context, logging.error());
  show_notes(context, *plan);
  if (flags.show_config)
    show_configuration(context, flags, *plan);
  if (flags.write_out)
    write_out_prompts(context, flags, *plan);
  if (flags.dry_run)
    return show_plan(context, flags, *plan);
  if (auto there = check_mock(*plan); !there)
    return report(context, there.error());
  if (!flags.output_path.empty())
    if (auto writable = check_output_path(flags.output_path); !writable)
      return report(context, writable.error());
  auto session = run_session::start(context, *plan, flags.fresh);
  if (!session)
    return report(context, session.error());
  return follow_to_end(context, flags, **session, **caught);
}

template <class T>
CLI::Option* optional_number(CLI::App& sub, const std::string& names, std::optional<T>& into,
                             const std::string& text, std::type_identity_t<T> least,
                             std::type_identity_t<T> most) {
  const auto take = [&into](const T& value) { into = value; };
  return sub.add_option_function<T>(names, take, text)->check(CLI::Range(least, most));
}

void add_what_to_run(CLI::App& sub, run_flags& flags) {
  const auto* group = "What to evaluate";
  sub.add_option("-e,--evaluation", flags.evaluation,
                 "An evaluation of the configuration, by name: its models, tasks and parameters; flags win")
      ->group(group);
  repeatable(sub, "-m,--model,--models", flags.models, "Models; repeat it, or give a list with commas")
      ->group(group);
  sub.add_option("-a,--model-args,--model_args", flags.model_args,
                 "model=NAME,base_url=URL,max_retries=N,num_concurrent=N,... with a provider as the model")
      ->group(group);
  repeatable(sub, "-t,--tasks,--task", flags.tasks,
             "Tasks, groups of tasks or task files; a list with commas")
      ->group(group);
  repeatable(sub, "--promptfoo", flags.promptfoo,
             "A test file of promptfoo; its providers are the models where none is named")
      ->group(group);
  repeatable(sub, "--include-path,--include_path", flags.include_paths, "One more folder of tasks")
      ->group(group);
  repeatable(sub, "-p,--prompt-types,--prompt_types", flags.prompt_types,
             "Ways to ask, for example baseline,cot, or all; default: each task's first")
      ->group(group);
  sub.add_option("-L,--limit", flags.limit, "Samples per task and prompt type")->group(group);
  optional_number<uint32_t>(sub, "-f,--num-fewshot,--num_fewshot", flags.num_fewshot,
                            "Examples before each question", 0, 1000)
      ->group(group);
  optional_number<uint32_t>(sub, "--epochs", flags.epochs, "How often each sample is asked", 1, 1000)
      ->group(group);
  sub.add_option("--context-mode,--context_mode", flags.context_mode,
                 "no_context, minimal_context, full_context or domain_context")
      ->group(group);
}

void add_how_to_ask(CLI::App& sub, run_flags& flags) {
  const auto* group = "How to ask";
  repeatable(sub, "--gen-kwargs,--gen_kwargs", flags.gen_kwargs,
             "temperature=0,max_gen_toks=256,do_sample=false,until=\\n,... or a JSON object")
      ->group(group);
  sub.add_option("--seed", flags.seed, "Of every random draw; drawn once and recorded when not given")
      ->group(group);
  optional_number<int32_t>(sub, "--priority", flags.priority, "Higher first", -100, 100)->group(group);
  optional_number<uint32_t>(sub, "--weight", flags.weight, "Share against other runs", 1, 1000)->group(group);
  sub.add_option("--time-limit,--time_limit", flags.time_limit, "The run fails after this: 90s, 10m, 2h")
      ->group(group);
  sub.add_option("-c,--use-cache,--use_cache", flags.use_cache,
                 "Take answers that were paid for before, and keep new ones for others")
      ->expected(0, 1)
      ->default_str("true")
      ->group(group);
  sub.add_option(
         "--batch", flags.batch,
         "always sends the calls through the provider's batch API: about half the price, answers within "
         "a day; auto does where it can and --time-limit allows it; never is the default")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->group(group);
  sub.add_option("--cache-requests,--cache_requests", flags.cache_requests,
                 "true as --use-cache; refresh asks again and replaces; delete asks again and removes")
      ->check(CLI::IsMember({"true", "refresh", "delete"}))
      ->group(group);
  optional_number<double>(
      sub, "--max-cost,--max_cost", flags.max_cost,
      "Dollars; the run fails before it could cost more, and `assay retry` goes on with it", 0, 1e9)
      ->group(group);
  sub.add_option("--stop-when,--stop_when", flags.stop_when,
                 "End when enough is known: interval=0.02 (the score to within this, with 95 %), or "
                 "against=RUN,alpha=0.05 (which of the two is better)")
      ->group(group);
  sub.add_flag("-x,--predict-only,--predict_only", flags.predict_only, "Keep answers, do not score them")
      ->group(group);
  sub.add_option("-b,--batch-size,--batch_size", flags.batch_size,
                 "Accepted, changes nothing: providers batch")
      ->group(group);
  sub.add_option("--device", flags.device, "Accepted, changes nothing: models are remote")->group(group);
}

void add_output(CLI::App& sub, run_flags& flags) {
  const auto* group = "Output";
  sub.add_option(
         "-o,--output-path,--output_path", flags.output_path,
         "Write results there: a folder, or a file that ends in .json; below results_dir where that is set")
      ->group(group);
  sub.add_flag_function(
         "-s,--log-samples,--log_samples,!--no-log-samples,!--no_log_samples",
         [&flags](int64_t given) { flags.log_samples = given > 0; },
         "Write every sample beside the results; --no-log-samples also keeps prompts out of the store")
      ->group(group);
  sub.add_flag("-w,--write-out,--write_out", flags.write_out, "Print the first prompt of each task")
      ->group(group);
  sub.add_flag("--show-config,--show_config", flags.show_config, "Print the whole configuration, keys as ***")
      ->group(group);
  sub.add_option("--metadata", flags.metadata, "A JSON object that is kept with the run, or @FILE")
      ->group(group);
  sub.add_option("--output", flags.output, "table or json; json is one object on standard output")
      ->check(CLI::IsMember({"table", "json"}))
      ->group(group);
  sub.add_flag("--dry-run,--dry_run", flags.dry_run, "Show calls and price, send nothing")->group(group);
  sub.add_flag("--fresh", flags.fresh, "Do not go on with an interrupted run; it is cancelled")->group(group);
  sub.add_flag("--strict", flags.strict, "Exit with 1 when any sample failed")->group(group);
}

} // namespace

void add_run_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<run_flags>();
  auto* sub = app.add_subcommand(
      "run", "Evaluate models on tasks, here and now; the same command again goes on after "
             "an interruption");
  add_what_to_run(*sub, *flags);
  add_how_to_ask(*sub, *flags);
  add_output(*sub, *flags);
  examples(
      *sub,
      "  assay run --model sim-strong,sim-weak --tasks date_reasoning --prompt-types baseline,cot\n"
      "  assay run -m gpt-4o-mini -t science_multiple_choice -L 20 --gen_kwargs temperature=0 --dry-run\n"
      "  assay run --evaluation baseline_test --config evaluation_configs.yaml --dry-run\n"
      "  assay run -m openai-chat-completions --model_args "
      "model=my-model,base_url=http://10.0.0.7:8000/v1 -t my_task.yaml\n"
      "  assay run -m deepseek-chat -t single_turn -o results/ --log_samples\n");
  sub->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return run(c, *flags); }; });
}

} // namespace assay::cli
