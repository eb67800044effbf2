#include "cli/batch_flags.hpp"

#include "cli/arguments.hpp"

#include <charconv>
#include <cstdlib>
#include <string_view>
#include <type_traits>

namespace assay::cli {

namespace {

fault refused(std::string where, std::string message, std::string hint = {}) {
  return {errc::invalid_argument, std::move(message), std::move(where), std::move(hint)};
}

/// NUM_INSTANCES, as the scripts of the document take it.
result<std::optional<uint64_t>> instances_of_environment() {
  const char* given = std::getenv("NUM_INSTANCES");
  if (given == nullptr || *given == '\0')
    return std::optional<uint64_t>{};
  const std::string_view text(given);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value == 0)
    return refused("NUM_INSTANCES", "'" + std::string(text) + "' is no number of samples",
                   "for example NUM_INSTANCES=50");
  return std::optional{value};
}

template <class T>
CLI::Option* optional_number(CLI::App& sub, const std::string& names, std::optional<T>& into,
                             const std::string& text, std::type_identity_t<T> least,
                             std::type_identity_t<T> most) {
  const auto take = [&into](const T& value) { into = value; };
  return sub.add_option_function<T>(names, take, text)->check(CLI::Range(least, most));
}

void add_yes_or_no(CLI::App& sub, const std::string& names, std::optional<bool>& into,
                   const std::string& text, const char* group) {
  sub.add_flag_function(
         names, [&into](int64_t given) { into = given > 0; }, text)
      ->group(group);
}

void add_what(CLI::App& sub, batch_flags& flags) {
  const auto* group = "What to test";
  repeatable(sub, "-m,--model,--models", flags.wish.models, "Models; repeat it, or give a list with commas")
      ->group(group);
  sub.add_flag("--all-models,--all_models", flags.wish.all_models,
               "Every model of the configuration that has a key; the simulated ones where it has none")
      ->group(group);
  repeatable(sub, "-p,--prompt-types,--prompt_types", flags.wish.prompt_types,
             "Ways to ask: all, or a list such as baseline,cot,optimal; default: all")
      ->group(group);
  repeatable(sub, "-t,--task-types,--task_types", flags.wish.task_types,
             "all, or a list of task types, categories, groups and tasks; default: all")
      ->group(group);
  optional_number<uint64_t>(sub, "-n,--num-instances,--num_instances", flags.wish.num_instances,
                            "Samples of each task and prompt type; default: NUM_INSTANCES, else 20", 1,
                            1'000'000'000)
      ->group(group);
  repeatable(sub, "-d,--difficulty", flags.wish.difficulties,
             "easy, medium, hard (also beginner, intermediate, advanced), a list of them, or all")
      ->group(group);
  repeatable(sub, "--include-path,--include_path", flags.include_paths, "One more folder of tasks")
      ->group(group);
}

void add_how(CLI::App& sub, batch_flags& flags) {
  const auto* group = "How to share it out";
  add_yes_or_no(sub, "--prompt-parallel,--prompt_parallel,!--no-prompt-parallel,!--no_prompt_parallel",
                flags.wish.prompt_parallel,
                "All prompt types at once, or one after another; default: as the provider's keys are", group);
  add_yes_or_no(sub, "--model-parallel,--model_parallel,!--no-model-parallel,!--no_model_parallel",
                flags.wish.model_parallel, "All models at once (default), or one after another", group);
  sub.add_flag("--serial", flags.serial, "One call at a time, one model and prompt type after another")
      ->group(group);
  optional_number<uint32_t>(sub, "-w,--workers,--max-workers,--max_workers", flags.ways.workers,
                            "Calls of one evaluation at once; default: what the provider takes, found out "
                            "while it runs",
                            1, 100'000)
      ->group(group);
  optional_number<uint32_t>(sub, "--qps", flags.ways.qps,
                            "Calls a second of one key at most; default: the configuration's", 1, 100'000)
      ->group(group);
  sub.add_flag_function(
         "--adaptive,!--no-adaptive", [](int64_t) {},
         "Accepted, changes nothing: calls at once always adapt; farm.in_flight turns it off")
      ->group(group);
}

void add_how_to_ask(CLI::App& sub, batch_flags& flags) {
  const auto* group = "How to ask";
  repeatable(sub, "--gen-kwargs,--gen_kwargs", flags.gen_kwargs, "temperature=0,max_gen_toks=256,...")
      ->group(group);
  sub.add_option("--seed", flags.seed, "Of every random draw; drawn once and recorded when not given")
      ->group(group);
  optional_number<uint32_t>(sub, "--epochs", flags.epochs, "How often each sample is asked", 1, 1000)
      ->group(group);
  sub.add_option("--time-limit,--time_limit,--timeout", flags.time_limit,
                 "Of one evaluation: 300, 90s, 10m, 2h; the others go on")
      ->group(group);
  optional_number<double>(sub, "--max-cost,--max_cost", flags.max_cost,
                          "Dollars that one evaluation may cost", 0, 1e9)
      ->group(group);
  sub.add_option("-c,--use-cache,--use_cache", flags.use_cache,
                 "Take answers that were paid for before, and keep new ones for others")
      ->expected(0, 1)
      ->default_str("true")
      ->group(group);
}

void add_output(CLI::App& sub, batch_flags& flags) {
  const auto* group = "Output";
  sub.add_option("-o,--output-path,--output_path", flags.output_path,
                 "Write the results of each evaluation there")
      ->group(group);
  sub.add_option("--output", flags.output, "table or json; json is one object on standard output")
      ->check(CLI::IsMember({"table", "json"}))
      ->group(group);
  sub.add_option("--log-dir,--log_dir", flags.log_dir, "Where batch_test_<time>.log is written")
      ->capture_default_str()
      ->group(group);
  sub.add_flag("--no-log,--no_log", flags.no_log, "Write no such file")->group(group);
  sub.add_flag("--dry-run,--dry_run", flags.dry_run, "Show evaluations, calls and price, send nothing")
      ->group(group);
  sub.add_flag("--fresh", flags.fresh, "Do not go on with an interrupted batch; it is cancelled")
      ->group(group);
  sub.add_flag("--strict", flags.strict, "Exit with 1 when any sample failed")->group(group);
}

} // namespace

result<batch_order> order_of(const batch_flags& flags) {
  batch_order out;
  out.wish = flags.wish;
  out.ways = flags.ways;
  if (!flags.preset.empty()) {
    const auto known = experiments::batch_preset_from_string(flags.preset);
    if (!known)
      return refused("PRESET", "there is no preset '" + flags.preset + "'",
                     "quick, standard, full or parallel; also quick_test, run_batch_test, test_all, "
                     "run_parallel_test");
    out.preset = *known;
  }
  if (!out.wish.num_instances) {
    const auto given = instances_of_environment();
    if (!given)
      return given.error();
    out.wish.num_instances = *given;
  }
  if (flags.serial) {
    if (out.wish.prompt_parallel == true || out.wish.model_parallel == true)
      return refused("--serial", "contradicts --prompt-parallel and --model-parallel", "leave one out");
    if (out.ways.workers && *out.ways.workers != 1)
      return refused("--serial", "contradicts --workers", "--serial is --workers 1");
    out.wish.prompt_parallel = false;
    out.wish.model_parallel = false;
    out.ways.workers = 1;
  }
  experiments::fill_from(out.preset, out.wish);
  return out;
}

run_flags run_flags_of(const batch_flags& flags, const batch_order& order) {
  run_flags out;
  out.include_paths = flags.include_paths;
  out.limit = std::to_string(order.wish.num_instances.value_or(1));
  out.gen_kwargs = flags.gen_kwargs;
  out.seed = flags.seed;
  out.epochs = flags.epochs;
  out.time_limit = flags.time_limit;
  out.max_cost = flags.max_cost;
  out.use_cache = flags.use_cache;
  out.output_path = flags.output_path;
  out.output = flags.output;
  out.dry_run = flags.dry_run;
  out.fresh = flags.fresh;
  out.strict = flags.strict;
  return out;
}

void add_batch_options(CLI::App& sub, batch_flags& flags) {
  sub.add_option("PRESET", flags.preset,
                 "quick: two samples of each task, one prompt type. standard (default): what the flags say. "
                 "full: all models. parallel: all models at once");
  sub.add_option("--preset", flags.preset, "The same as PRESET");
  add_what(sub, flags);
  add_how(sub, flags);
  add_how_to_ask(sub, flags);
  add_output(sub, flags);
  add_api_flags(sub, flags.api);
}

} // namespace assay::cli
